package fault

import (
	"errors"
	"fmt"
	"testing"
)

func TestCodeSurvivesWrapping(t *testing.T) {
	err := fmt.Errorf("store: %w", New("PoolNotFound", "The specified pool does not exist."))
	if !Is(err, "PoolNotFound") || CodeOf(errors.New("x")) != "" || Is(nil, "") {
		t.Fatalf("codes lost: %q", CodeOf(err))
	}
}

func TestWithCopies(t *testing.T) {
	base := Property("id", "a b", "r")
	one, two := base.With("a", "1"), base.With("b", "2")
	if len(base.Details) != 3 || one.Details[3].Key != "a" || two.Details[3].Key != "b" {
		t.Fatalf("details shared: %v %v %v", base, one, two)
	}
	if got := base.Because(errors.New("disk")).Error(); got == base.Error() {
		t.Fatal("the cause is missing from the log text")
	}
}
