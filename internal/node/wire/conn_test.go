package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
)

func TestFramesGoThroughWhole(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	code := 3
	frames := []Frame{
		{Hello: &Hello{Version: Version, NodeUID: "n", Held: []Held{{TaskUID: "t", Attempt: 2, Ended: true}}}},
		{Assign: []Task{{UID: "t", Attempt: 1, CommandLine: "echo \"a\nb\"", Env: []Pair{{"LONG", strings.Repeat("x", 100_000)}}}}},
		{Reports: []Report{{Seq: 7, TaskUID: "t", Event: EventEnded, ExitCode: &code}}},
		{Ack: 7},
	}
	go func() {
		c := NewConn(a)
		for _, f := range frames {
			if err := c.Send(f); err != nil {
				t.Error(err)
			}
		}
		a.Close()
	}()
	c := NewConn(b)
	for _, want := range frames {
		got, err := c.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
	}
	if _, err := c.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last frame: %v, want EOF", err)
	}
}

func TestStreamKeepsTheBytesAfterItsHeader(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	go func() {
		s := NewStream(a)
		if o, err := s.ReceiveOpen(); err != nil || o.Path != "f" {
			t.Errorf("open %+v %v", o, err)
		}
		var buf bytes.Buffer
		writeLine(&buf, Opened{File: &File{Name: "f", Size: 4}}, MaxOpened)
		buf.WriteString("{\n}\n")
		a.Write(buf.Bytes())
		a.Close()
	}()
	s := NewStream(b)
	got, err := s.Ask(Open{Kind: StreamFileRead, Path: "f", Length: -1})
	if err != nil || got.File.Size != 4 {
		t.Fatalf("%+v %v", got, err)
	}
	if rest, err := io.ReadAll(s); err != nil || string(rest) != "{\n}\n" {
		t.Errorf("rest %q %v", rest, err)
	}
}

func TestLinesHaveLimits(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want error
	}{
		"at the limit":   {strings.Repeat(" ", 5000-2) + "{}\n", nil},
		"over":           {strings.Repeat(" ", 5001-2) + "{}\n", ErrTooLong},
		"endless":        {strings.Repeat("x", 20_000), ErrTooLong},
		"cut in a line":  {`{"ack":`, io.ErrUnexpectedEOF},
		"nothing at all": {"", io.EOF},
	} {
		var f Frame
		if err := readLine(bufio.NewReaderSize(strings.NewReader(c.in), 64), &f, 5000); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// A reader never panics, never gives a frame beyond the limit, and what it
// accepts can be sent again.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("{\"ack\":1}\n{\"ping\":{\"n\":2}}\n"))
	f.Add([]byte("{\"assign\":[{\"uid\":\"a\",\"env\":[{\"name\":\"A\",\"value\":\"\\u0000\"}]}]}\n"))
	f.Add([]byte("\n\n{}"))
	f.Fuzz(func(t *testing.T, in []byte) {
		c := NewConn(struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(in), io.Discard})
		for range len(in) + 1 {
			frame, err := c.Receive()
			if err != nil {
				if strings.HasPrefix(err.Error(), "wire: decode") {
					continue
				}
				return
			}
			if err := c.Send(frame); err != nil {
				t.Fatal(err)
			}
		}
	})
}
