package clients

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documents is the folder of Microsoft's documents; they are not part of this repository.
func (w *world) documents(t *testing.T) string {
	t.Helper()
	shared := os.Getenv("MILLPOND_SHARED")
	if shared == "" {
		shared = filepath.Join(filepath.Dir(w.root), "shared")
	}
	dir := filepath.Join(shared, "documents")
	if _, err := os.Stat(dir); err != nil {
		missing(t, "the documents are not here (set MILLPOND_SHARED to the folder that has documents/): "+err.Error())
	}
	return dir
}

// document reads one by the number its name begins with.
func (w *world) document(t *testing.T, number string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(w.documents(t), number+"_*.txt"))
	if err != nil || len(names) != 1 {
		t.Fatalf("document %s: %d files, %v", number, len(names), err)
	}
	text, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// fenced cuts the one block of a language out of a Markdown document.
func fenced(t *testing.T, text, language string) string {
	t.Helper()
	found := regexp.MustCompile("(?s)\n```"+language+"\n(.*?)\n```\n").FindAllStringSubmatch(text, -1)
	if len(found) != 1 {
		t.Fatalf("%d blocks of %s", len(found), language)
	}
	return found[0][1] + "\n"
}

// unfenced cuts code out of a document that lost its marks: from the first line that begins so, to where prose goes on.
// The prose of the document is Japanese first, and the code is ASCII.
func unfenced(t *testing.T, text, begin string) string {
	t.Helper()
	_, after, ok := strings.Cut(text, "\n"+begin)
	if !ok {
		t.Fatalf("no code that begins with %q", begin)
	}
	var code []string
	for line := range strings.SplitSeq(begin+after, "\n") {
		if strings.ContainsFunc(line, func(r rune) bool { return r > 127 }) {
			break
		}
		code = append(code, line)
	}
	return strings.TrimRight(strings.Join(code, "\n"), "\n") + "\n"
}

// placeholders fills in what a sample leaves to its reader, and insists that each was there.
func placeholders(t *testing.T, code string, values map[string]string) string {
	t.Helper()
	for name, value := range values {
		if !strings.Contains(code, name) {
			t.Fatalf("the sample has no %s:\n%s", name, code)
		}
		code = strings.ReplaceAll(code, name, value)
	}
	return code
}

// imagePlaceholders are those of a gallery image version's id.
func (w *world) imagePlaceholders(definition string) map[string]string {
	return map[string]string{
		"{sub id}": w.SubscriptionID, "{resource group name}": w.ResourceGroup, "{gallery name}": galleryName,
		"{image definition name}": definition, "{version id}": "1.0.0",
	}
}
