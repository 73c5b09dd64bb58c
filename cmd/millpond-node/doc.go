// Command millpond-node is the agent: the first process of every node and
// virtual machine, static because the image it runs in brings a C library of its
// own, or none. The node host starts it (internal/provider/local); a person who
// does is told so.
//
// It owns nothing: internal/node is the agent.
package main
