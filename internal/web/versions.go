package web

import (
	"slices"

	"millpond/internal/fault"
)

// Versions says which api-versions a face answers to and what each adds and
// hides. Versions are dates first, so they compare as text.
type Versions struct {
	// Known lists all of them, oldest first; empty takes any that looks like one.
	Known []string
	// Properties marks "Type.property" of the wire structs (Go type name, JSON
	// name); properties without a mark are in every version.
	Properties map[string]Mark
}

// Mark bounds the versions that know something: from Since (inclusive) until
// Until (exclusive); empty is unbounded.
type Mark struct{ Since, Until string }

func within(version, since, until string) bool {
	if version == "" {
		return true
	}
	return (since == "" || version >= since) && (until == "" || version < until)
}

// Check gives the version to serve. Absent: MissingRequiredQueryParameter on
// faces that list versions, MissingApiVersionParameter on others. Unknown:
// InvalidQueryParameterValue, or InvalidApiVersionParameter. Beside the error for
// an unknown version stands the newest one, for SkipAPIVersionCheck.
func (v *Versions) Check(version string) (string, error) {
	if len(v.Known) == 0 {
		if version == "" {
			return "", fault.New("MissingApiVersionParameter", "")
		}
		if !dated(version) {
			return version, fault.Newf("InvalidApiVersionParameter",
				"The api-version '%s' is invalid. Versions have the form YYYY-MM-DD, with or without -preview.", clip(version, 40))
		}
		return version, nil
	}
	if version == "" {
		return "", fault.New("MissingRequiredQueryParameter", "").With("QueryParameterName", "api-version")
	}
	if slices.Contains(v.Known, version) {
		return version, nil
	}
	newest := v.Known[len(v.Known)-1]
	return newest, QueryFault("api-version", clip(version, 40), "The api-version is not one of those served, which are "+
		v.Known[0]+" to "+newest)
}

func dated(s string) bool {
	if len(s) < 10 || len(s) > 40 || s[4] != '-' || s[7] != '-' {
		return false
	}
	for i := range 10 {
		if i != 4 && i != 7 && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	for _, r := range s[10:] {
		if r != '-' && r != '.' && (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return false
		}
	}
	return true
}
