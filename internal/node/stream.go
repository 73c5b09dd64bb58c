package node

import (
	"errors"
	"net"
	"strings"

	"millpond/internal/node/wire"
)

// answer serves one stream of the service: a header line says what is wanted.
func (a *agent) answer(raw net.Conn) {
	defer raw.Close()
	s := wire.NewStream(raw)
	open, err := s.ReceiveOpen()
	if err != nil {
		return
	}
	if a.files == nil && strings.HasPrefix(open.Kind, "file.") {
		_ = s.SendOpened(wire.Opened{Error: errFileNotFound}) // the service may have gone; nobody to tell
		return
	}
	switch open.Kind {
	case wire.StreamFileRead:
		a.readFile(s, open)
	case wire.StreamSSH:
		if s.SendOpened(wire.Opened{}) == nil {
			a.serveSSH(streamConn{raw, s})
		}
	default:
		opened, err := a.do(open)
		if err != nil {
			opened = wire.Opened{Error: refusal(err)}
		}
		_ = s.SendOpened(opened)
	}
}

// do serves the kinds that are one question and one answer.
func (a *agent) do(open wire.Open) (wire.Opened, error) {
	switch open.Kind {
	case wire.StreamFileList:
		files, err := listFiles(a.files, open.Path, open.Recursive)
		return wire.Opened{Files: files}, err
	case wire.StreamFileStat:
		f, err := statFile(a.files, open.Path)
		return wire.Opened{File: f}, err
	case wire.StreamFileDelete:
		return wire.Opened{}, deleteFile(a.files, open.Path, open.Recursive)
	case wire.StreamUserPut:
		if open.User == nil {
			return wire.Opened{}, refuse("MissingRequiredProperty", "user.put names no user")
		}
		return wire.Opened{}, a.putUser(*open.User, open.Keep)
	case wire.StreamUserDelete:
		if open.User == nil {
			return wire.Opened{}, refuse("MissingRequiredProperty", "user.delete names no user")
		}
		return wire.Opened{}, a.deleteUser(open.User.Name)
	case wire.StreamPrepare:
		return wire.Opened{}, a.sweep()
	}
	return wire.Opened{}, refuse("InvalidRequest", "the agent knows no stream of kind %q", open.Kind)
}

func (a *agent) putUser(u wire.NodeUser, keep bool) error {
	return a.accounts.put([]wire.NodeUser{u}, keep)
}

func (a *agent) deleteUser(name string) error {
	if err := a.accounts.remove(name); err != nil {
		return err
	}
	a.ssh.endUser(name)
	return nil
}

// refusal gives every error of the agent a code.
func refusal(err error) *wire.StreamError {
	var known *wire.StreamError
	if errors.As(err, &known) {
		return known
	}
	return &wire.StreamError{Code: "InternalError", Message: err.Error()}
}

// streamConn is the stream with what the header's reader holds already.
type streamConn struct {
	net.Conn
	s *wire.Stream
}

func (c streamConn) Read(p []byte) (int, error) { return c.s.Read(p) }
