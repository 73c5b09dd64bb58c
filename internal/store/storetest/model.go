package storetest

var modelTests []subtest
