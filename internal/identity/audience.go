package identity

import (
	"net/url"
	"strings"
)

// resourceNames are what clients ask tokens for, folded by foldResource:
// the services' URLs and the ids of their first-party applications.
var resourceNames = map[string]string{
	"https://management.core.windows.net":  AudienceARM,
	"https://management.azure.com":         AudienceARM,
	"797f4846-ba00-4fd7-ba43-dac1f8f63013": AudienceARM,
	"https://batch.core.windows.net":       AudienceBatch,
	"ddbf3205-c6bd-46ae-8127-60eb93363864": AudienceBatch,
	"https://graph.microsoft.com":          AudienceGraph,
	"https://graph.windows.net":            AudienceGraph,
	"00000003-0000-0000-c000-000000000000": AudienceGraph,
}

// canonical is what a token carries in aud when its resource was named by our
// own address: no token holds a host of ours, so one made through a host name
// is good through every other.
var canonical = map[string]string{
	AudienceARM:   "https://management.core.windows.net/",
	AudienceBatch: "https://batch.core.windows.net/",
	AudienceGraph: "https://graph.microsoft.com/",
}

// foldResource drops what differs between clients: case, /.default and any
// trailing slashes (the Go SDK asks for https://batch.core.windows.net//.default).
func foldResource(s string) string {
	s = strings.ToLower(s)
	s = strings.TrimSuffix(s, "/.default")
	return strings.TrimRight(s, "/")
}

// AudienceOf folds a resource or scope into AudienceARM, AudienceBatch or
// AudienceGraph and gives the aud claim to issue; "" when it names none of
// them. own tells whether a host:port is an address of this service, which
// stands for Resource Manager, or Graph below /graph and /msgraph
// (facts/az.md 1, ways A to C). It may be nil.
func AudienceOf(name string, own func(host string) bool) (audience, claim string) {
	folded := foldResource(name)
	if a, ok := resourceNames[folded]; ok {
		if !strings.HasPrefix(folded, "https://") {
			return a, canonical[a]
		}
		return a, strings.TrimSuffix(name, "/.default")
	}
	u, err := url.Parse(folded)
	if err != nil || u.Host == "" || own == nil || !own(u.Host) {
		return "", ""
	}
	a := ""
	switch {
	case u.Path == "":
		a = AudienceARM
	case u.Path == "/graph" || u.Path == "/msgraph":
		a = AudienceGraph
	case strings.HasPrefix(u.Path, "/batch"):
		a = AudienceBatch
	default:
		return "", ""
	}
	return a, canonical[a]
}
