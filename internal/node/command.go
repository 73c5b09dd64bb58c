package node

import (
	"errors"
	"strings"
)

var (
	errNoCommand = errors.New("the command line is empty")
	errOpenQuote = errors.New("the command line has a quotation that is not closed")
	errLoneSlash = errors.New("the command line ends in a backslash that escapes nothing")
	errNulByte   = errors.New("the command line contains a NUL byte")
)

// splitCommand cuts a task's command line into a program and its arguments as
// Azure's Linux agent does: it runs under no shell, so nothing is expanded and
// `;`, `|`, `>` or `$NAME` are ordinary text.
//
// Blanks, tabs and line breaks separate words. Single quotes keep everything;
// double quotes keep everything but `\"` and `\\`; outside quotes a backslash
// keeps the next character. Quoted and bare parts that touch are one word.
func splitCommand(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case 0:
			return nil, errNulByte
		case ' ', '\t', '\n', '\r':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		case '\'':
			n := strings.IndexByte(line[i+1:], '\'')
			if n < 0 {
				return nil, errOpenQuote
			}
			if strings.IndexByte(line[i+1:i+1+n], 0) >= 0 {
				return nil, errNulByte
			}
			word.WriteString(line[i+1 : i+1+n])
			inWord = true
			i += n + 1
		case '"':
			end, err := doubleQuoted(line, i+1, &word)
			if err != nil {
				return nil, err
			}
			inWord = true
			i = end
		case '\\':
			if i++; i == len(line) {
				return nil, errLoneSlash
			}
			if line[i] == 0 {
				return nil, errNulByte
			}
			word.WriteByte(line[i])
			inWord = true
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	if len(words) == 0 || words[0] == "" {
		return nil, errNoCommand
	}
	return words, nil
}

// doubleQuoted reads from the byte after the opening quote and returns the
// index of the closing one.
func doubleQuoted(line string, i int, word *strings.Builder) (int, error) {
	for ; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '"':
			return i, nil
		case c == 0:
			return 0, errNulByte
		case c == '\\' && i+1 < len(line) && (line[i+1] == '"' || line[i+1] == '\\'):
			i++
			c = line[i]
		}
		word.WriteByte(c)
	}
	return 0, errOpenQuote
}
