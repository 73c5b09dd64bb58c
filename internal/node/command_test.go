package node

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplitCommand(t *testing.T) {
	for _, c := range []struct {
		line string
		want []string
		err  error
	}{
		{line: "true", want: []string{"true"}},
		{line: "  echo \t a\nb ", want: []string{"echo", "a", "b"}},
		{line: `/bin/bash -c "echo \"$X\" && printf 'a\n'"`, want: []string{"/bin/bash", "-c", `echo "$X" && printf 'a\n'`}},
		{line: `/bin/sh -c 'echo "a  b"; exit 3'`, want: []string{"/bin/sh", "-c", `echo "a  b"; exit 3`}},
		{line: `a\ b "" ''`, want: []string{"a b", "", ""}},
		{line: `x"y z"'w'v`, want: []string{"xy zwv"}},
		{line: `"a\b\\c\$d"`, want: []string{`a\b\c\$d`}},
		{line: `echo a;b|c>d $HOME *`, want: []string{"echo", "a;b|c>d", "$HOME", "*"}},
		{line: "", err: errNoCommand},
		{line: " \t ", err: errNoCommand},
		{line: `"" a`, err: errNoCommand},
		{line: `echo "a`, err: errOpenQuote},
		{line: `echo 'a`, err: errOpenQuote},
		{line: `echo "a\"`, err: errOpenQuote},
		{line: `echo \`, err: errLoneSlash},
		{line: "echo a\x00b", err: errNulByte},
		{line: "echo 'a\x00b'", err: errNulByte},
	} {
		got, err := splitCommand(c.line)
		if !errors.Is(err, c.err) || !cmp.Equal(got, c.want) {
			t.Errorf("%q: %q, %v; want %q, %v", c.line, got, err, c.want, c.err)
		}
	}
}

// Words that are quoted by the rules come back as they were.
func FuzzSplitCommand(f *testing.F) {
	f.Add("true", "a b", `"x" \'`)
	f.Add("/bin/sh", "-c", "echo 'a'\n\"b\"")
	f.Add(`\`, `"`, `'`)
	f.Fuzz(func(t *testing.T, a, b, c string) {
		_, _ = splitCommand(a + " " + b + c) // never panics
		if a == "" || strings.ContainsRune(a+b+c, 0) {
			return
		}
		quoted := "'" + strings.ReplaceAll(a, "'", `'\''`) + "' " +
			`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(b) + `" ` +
			"'" + strings.ReplaceAll(c, "'", `'"'"'`) + "'"
		got, err := splitCommand(quoted)
		if err != nil || !cmp.Equal(got, []string{a, b, c}) {
			t.Fatalf("%q: %q, %v", quoted, got, err)
		}
	})
}
