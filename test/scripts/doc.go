// Package scripts runs testdata/*.txtar: the commands as a user types them, with
// both built binaries and provider/local. A new scenario is a new file. Beside
// testscript's own commands there are
//
//	exits N COMMAND...     run it; it must end with exit code N
//	up [ARG...]            start a server in $DATA and wait for its ready line
//	end int|term           ask it to end by a signal; it must
//	sigkill                SIGKILL it
//	pool ID N              make a pool of N nodes of the host image, wait until idle
//	idle ID N              wait until the pool has N nodes and all are idle
//	task ID SCRIPT         run a script as a task of the pool and print its stdout
//	remember ID            keep the agents' process ids and the nodes' boot times
//	same ID                they are as remembered
//	nothing-left           no process, mount, control group or run folder is left
//	ports-free             nobody listens where the server or its nodes did
//	mode PATH MODE         the permission bits of a file
//	keys FILE NAME...      the JSON object has exactly these keys
//	sign METHOD PATH       a request with the shared key; its body is printed
//	hostile FILE KIND      make an archive that must be refused
//	tree FILE              make a small root file system as a tar
package scripts
