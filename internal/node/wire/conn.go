package wire

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Limits of one line, in bytes without the newline. An Opened line may carry
// the list of a large directory tree; everything else is small.
const (
	MaxFrame  = 16 << 20
	MaxOpen   = 256 << 10
	MaxOpened = 64 << 20
)

// MaxReports is the most reports of one frame; the service stores a frame's
// reports in one transaction and ends the session of an agent that sends more.
const MaxReports = 1000

// ErrTooLong is returned for a line over its limit; the connection is then of
// no further use, because the rest of the line is unread.
var ErrTooLong = errors.New("wire: line is longer than its limit")

// Conn speaks frames over stream 0: one JSON object a line, either way. Send
// may be called from several goroutines and writes a frame whole; Receive
// belongs to one.
type Conn struct {
	r  *bufio.Reader
	mu sync.Mutex
	w  io.Writer
}

// NewConn wraps stream 0.
func NewConn(rw io.ReadWriter) *Conn {
	return &Conn{r: bufio.NewReader(rw), w: rw}
}

// Send writes one frame in one Write.
func (c *Conn) Send(f Frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return writeLine(c.w, f, MaxFrame)
}

// Receive reads the next frame; io.EOF after the last whole one. Fields of a
// newer wire version are passed over.
func (c *Conn) Receive() (Frame, error) {
	var f Frame
	err := readLine(c.r, &f, MaxFrame)
	return f, err
}

// Stream is a stream the service opened: one Open line from the service, one
// Opened line back, then raw bytes, which Read and Write carry. It never reads
// past a line on behalf of somebody else: what it buffered, Read gives first.
type Stream struct {
	r   *bufio.Reader
	rwc io.ReadWriteCloser
}

// NewStream wraps a fresh stream.
func NewStream(rwc io.ReadWriteCloser) *Stream {
	return &Stream{r: bufio.NewReader(rwc), rwc: rwc}
}

// SendOpen is the service's first word on a stream.
func (s *Stream) SendOpen(o Open) error { return writeLine(s.rwc, o, MaxOpen) }

// ReceiveOpen is the agent's side of SendOpen.
func (s *Stream) ReceiveOpen() (Open, error) {
	var o Open
	err := readLine(s.r, &o, MaxOpen)
	return o, err
}

// SendOpened is the agent's answer.
func (s *Stream) SendOpened(o Opened) error { return writeLine(s.rwc, o, MaxOpened) }

// ReceiveOpened is the service's side of SendOpened.
func (s *Stream) ReceiveOpened() (Opened, error) {
	var o Opened
	err := readLine(s.r, &o, MaxOpened)
	return o, err
}

// Ask sends o and reads the answer; a refusal comes back as *StreamError.
func (s *Stream) Ask(o Open) (Opened, error) {
	if err := s.SendOpen(o); err != nil {
		return Opened{}, err
	}
	got, err := s.ReceiveOpened()
	if err == nil && got.Error != nil {
		return got, got.Error
	}
	return got, err
}

// Read gives the bytes after the lines.
func (s *Stream) Read(p []byte) (int, error) { return s.r.Read(p) }

// Write sends bytes after the lines.
func (s *Stream) Write(p []byte) (int, error) { return s.rwc.Write(p) }

// Close ends our direction of the stream.
func (s *Stream) Close() error { return s.rwc.Close() }

// Error makes a refusal an error.
func (e *StreamError) Error() string { return e.Code + ": " + e.Message }

func writeLine(w io.Writer, v any, limit int) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("wire: encode: %w", err)
	}
	if len(line) > limit {
		return ErrTooLong
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

func readLine(r *bufio.Reader, v any, limit int) error {
	var long []byte
	for {
		part, err := r.ReadSlice('\n')
		if err == nil && long == nil {
			return decode(part, v, limit)
		}
		if len(long)+len(part) > limit+1 {
			return ErrTooLong
		}
		long = append(long, part...)
		switch {
		case err == nil:
			return decode(long, v, limit)
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(long) > 0:
			return io.ErrUnexpectedEOF
		default:
			return err
		}
	}
}

func decode(line []byte, v any, limit int) error {
	if len(line) > limit+1 {
		return ErrTooLong
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("wire: decode: %w", err)
	}
	return nil
}
