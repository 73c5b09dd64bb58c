// Command millpond serves Azure Batch on this machine, and is the client of a
// server that runs: up, env, az-setup, exec, image, doctor, version. The server
// starts the same program as `millpond node-host`, the process that keeps the
// machines.
//
// It owns the version and which room answers for which word: commands are in
// internal/cli, everything that is built and started in internal/app. It refuses
// to own anything else; people and scripts call it.
package main
