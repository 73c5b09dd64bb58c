package web

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every code a room writes must be known to the dialect of the faces that show
// it; one that is not would reach the client as 500.
func TestCatalogueKnowsTheCodesOfTheRooms(t *testing.T) {
	rooms := map[string][]string{
		"batch": {"pool", "job", "web", "web/batchapi"},
		"arm":   {"resource", "account", "gallery", "machine", "web", "web/armapi", "web/adminapi"},
	}
	// shown inside bodies or turned into another code before they leave
	// (machine/power.go stops an update with it)
	inner := map[string]bool{"NothingToDo": true}
	call := regexp.MustCompile(`fault\.Newf?\(\s*"(\w+)"`)
	for dialect, dirs := range rooms {
		for _, dir := range dirs {
			files, err := filepath.Glob(filepath.Join("..", dir, "*.go"))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				if strings.HasSuffix(file, "_test.go") {
					continue
				}
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range call.FindAllStringSubmatch(string(text), -1) {
					_, inBatch := batchCatalogue[m[1]]
					_, inARM := armCatalogue[m[1]]
					known := inBatch && dialect == "batch" || inARM && dialect == "arm" || dir == "web" && (inBatch || inARM)
					if !known && !inner[m[1]] {
						t.Errorf("%s makes %s, which %s_catalogue.go does not know", file, m[1], dialect)
					}
				}
			}
		}
	}
}

func TestCatalogueEntriesAreWhole(t *testing.T) {
	for code, e := range batchCatalogue {
		if e.status < 400 || e.sentence == "" {
			t.Errorf("%s: %v", code, e)
		}
	}
	for code, e := range armCatalogue {
		if e.status < 400 || e.sentence == "" {
			t.Errorf("%s: %v", code, e)
		}
	}
}
