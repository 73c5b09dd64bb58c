package main

import (
	"fmt"
	"io"
	"time"
)

// steps prints what is done when it is done, and keeps the times for the table.
type steps struct {
	w         io.Writer
	begin     time.Time
	downloads time.Duration // spent in steps whose time is the network's
	last      time.Duration
}

func newSteps(w io.Writer) *steps { return &steps{w: w, begin: time.Now()} }

// do runs one step and prints its line: time since the start, time of the step, name, and what the step has to say.
func (s *steps) do(name string, step func() (string, error)) error {
	began := time.Now()
	note, err := step()
	s.last = time.Since(began)
	if err != nil {
		fmt.Fprintf(s.w, "%6.1f s  %6.2f s  FAILED: %s\n", time.Since(s.begin).Seconds(), s.last.Seconds(), name)
		return fmt.Errorf("%s: %w", name, err)
	}
	if note != "" {
		note = "  " + note
	}
	fmt.Fprintf(s.w, "%6.1f s  %6.2f s  %s%s\n", time.Since(s.begin).Seconds(), s.last.Seconds(), name, note)
	return nil
}

// download is do for a step that fetches from outside.
func (s *steps) download(name string, step func() (string, error)) error {
	err := s.do(name+" (download)", step)
	s.downloads += s.last
	return err
}
