package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// event is one line of `go test -json` (documented at `go doc test2json`). "broken" is ours: scripts/test writes it when
// go test itself ended badly, so that a crash without a failed test cannot pass for success.
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
	Elapsed    float64
}

type counts struct {
	passed, failed, skipped int
	broken                  bool
}

// said matches the lines a passing test may show to the reader, such as "5 clients, 0 skipped".
var said = regexp.MustCompile(`^\d+ clients, \d+ skipped$`)

func main() {
	got, err := summarise(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "summary:", err)
		os.Exit(2)
	}
	if got.broken || got.failed > 0 {
		os.Exit(1)
	}
}

func summarise(in io.Reader, out io.Writer) (counts, error) {
	var (
		got    counts
		kept   = map[string]*strings.Builder{} // output by package and test, until its verdict is known
		failed = map[string]int{}              // failed tests by package
	)
	keep := func(key, text string) {
		b := kept[key]
		if b == nil {
			b = &strings.Builder{}
			kept[key] = b
		}
		b.WriteString(text)
	}
	take := func(key string) string {
		b := kept[key]
		delete(kept, key)
		if b == nil {
			return ""
		}
		return b.String()
	}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) != nil {
				fmt.Fprint(out, line)
				continue
			}
			key := e.Package + " " + e.Test
			switch {
			case e.Action == "broken":
				got.broken = true
			case e.Action == "build-output":
				fmt.Fprint(out, e.Output)
			case e.Action == "output":
				keep(key, e.Output)
				if said.MatchString(strings.TrimSpace(e.Output)) {
					fmt.Fprintln(out, strings.TrimSpace(e.Output))
				}
			case e.Test != "" && e.Action == "pass":
				got.passed++
				take(key)
			case e.Test != "" && e.Action == "fail":
				got.failed++
				failed[e.Package]++
				fmt.Fprintf(out, "--- FAIL: %s %s (%.1fs)\n%s", e.Package, e.Test, e.Elapsed, take(key))
			case e.Test != "" && e.Action == "skip":
				got.skipped++
				fmt.Fprintf(out, "--- SKIP: %s %s\n%s", e.Package, e.Test, take(key))
			case e.Action == "pass":
				fmt.Fprintf(out, "ok    %-44s %7.1fs\n", e.Package, e.Elapsed)
				take(key)
			case e.Action == "skip":
				take(key) // no test files
			case e.Action == "fail":
				fmt.Fprintf(out, "FAIL  %-44s %7.1fs\n%s", e.Package, e.Elapsed, take(key))
				if failed[e.Package] == 0 { // did not build, crashed or ran out of time: counts as one
					got.failed++
				}
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return got, err
		}
	}
	if got.broken && got.failed == 0 {
		got.failed++
	}
	if got.skipped > 0 {
		fmt.Fprintf(out, "%d skipped\n", got.skipped)
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", got.passed, got.failed)
	return got, nil
}
