package node

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/pkg/sftp"
)

// sftpArgument makes the agent's binary the file server of one SSH session. It
// is run through /proc/self/exe, because no image holds the binary, and as the
// session's user, so that the kernel checks every access.
const sftpArgument = "sftp"

// serveSFTP speaks SFTP on standard input and output until the client leaves.
func serveSFTP() int {
	server, err := sftp.NewServer(struct {
		io.Reader
		io.WriteCloser
	}{os.Stdin, os.Stdout})
	if err == nil {
		err = server.Serve()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, "millpond-node: sftp:", err)
		return 1
	}
	return 0
}
