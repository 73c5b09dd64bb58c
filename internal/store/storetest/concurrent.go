package storetest

var concurrentTests []subtest
