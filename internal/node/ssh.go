package node

import "net"

type sshServer struct{}

func (s *sshServer) endUser(string)  {}
func (a *agent) serveSSH(c net.Conn) {}
func (a *agent) sweep() error        { return nil }

const sftpArgument = "sftp"

func serveSFTP() int { return 1 }
