package web

import (
	"testing"

	"millpond/internal/fault"
)

func ok(*Call) (Reply, error) { return Reply{}, nil }

var demoRows = []Route{
	{Operation: "ListPools", Method: "GET", Pattern: "/pools", Handle: ok},
	{Operation: "CreatePool", Method: "POST", Pattern: "/pools", Handle: ok},
	{Operation: "GetPool", Method: "GET", Pattern: "/pools/{poolId}", Handle: ok},
	{Operation: "ResizePool", Method: "POST", Pattern: "/pools/{poolId}/resize", Handle: ok},
	{Operation: "GetTaskFile", Method: "GET", Pattern: "/jobs/{jobId}/tasks/{taskId}/files/{filePath...}", Handle: ok},
	{Operation: "ListTaskFiles", Method: "GET", Pattern: "/jobs/{jobId}/tasks/{taskId}/files", Handle: ok},
	{Operation: "GetCertificate", Method: "GET", Pattern: "/certificates(thumbprintAlgorithm={alg},thumbprint={thumb})"},
	{Operation: "Assign", Method: "PUT", Pattern: "/{scope...}/providers/Microsoft.Authorization/roleAssignments/{name}", Handle: ok},
}

func TestMatch(t *testing.T) {
	table := NewTable(demoRows, false)
	for _, test := range []struct{ method, path, want, params string }{
		{"GET", "/pools", "ListPools", ""},
		{"GET", "/pools/", "ListPools", ""},
		{"GET", "//pools", "ListPools", ""},
		{"POST", "/pools", "CreatePool", ""},
		{"GET", "/pools/a%2Fb", "GetPool", "poolId=a/b"},
		{"GET", "/pools/a+b%20c", "GetPool", "poolId=a+b c"},
		{"POST", "/pools/p/resize", "ResizePool", "poolId=p"},
		{"GET", "/jobs/j:job-1/tasks/t/files", "ListTaskFiles", "jobId=j:job-1 taskId=t"},
		{"GET", "/jobs/j/tasks/t/files/wd%2Fsub%2Fa.txt", "GetTaskFile", "jobId=j taskId=t filePath=wd/sub/a.txt"},
		{"GET", "/jobs/j/tasks/t/files/wd/sub/a.txt", "GetTaskFile", "jobId=j taskId=t filePath=wd/sub/a.txt"},
		{"GET", "/jobs/j/tasks/t/files/..%2f..%2Fetc", "GetTaskFile", "jobId=j taskId=t filePath=../../etc"},
		{"GET", "/certificates(thumbprintAlgorithm=sha1,thumbprint=0A)", "GetCertificate", "alg=sha1 thumb=0A"},
		{"PUT", "/subscriptions/s/resourceGroups/g/providers/Microsoft.Authorization/roleAssignments/n", "Assign", "scope=subscriptions/s/resourceGroups/g name=n"},
		{"GET", "/Pools", "ResourceNotFound", ""},
		{"GET", "/pools/p/resize/x", "ResourceNotFound", ""},
		{"GET", "/", "ResourceNotFound", ""},
		{"DELETE", "/pools", "UnsupportedHttpVerb", ""},
		{"GET", "/pools/%zz", "InvalidUri", ""},
		{"GET", "/pools/a%00b", "InvalidUri", ""},
	} {
		route, params, err := table.Match(test.method, test.path)
		got := fault.CodeOf(err)
		if route != nil {
			got = route.Operation
		}
		text := ""
		for i, p := range params {
			if i > 0 {
				text += " "
			}
			text += p.Name + "=" + p.Value
		}
		if got != test.want || err == nil && text != test.params {
			t.Errorf("%s %s: %s %q %v, want %s %q", test.method, test.path, got, text, err, test.want, test.params)
		}
	}
}

func TestFoldedTable(t *testing.T) {
	table := NewTable([]Route{{Operation: "Get", Method: "GET", Pattern: "/subscriptions/{s}/resourceGroups/{g}", Handle: ok}}, true)
	for _, path := range []string{"/subscriptions/S/resourceGroups/G", "/SUBSCRIPTIONS/S/resourcegroups/G"} {
		route, params, err := table.Match("GET", path)
		if err != nil || route.Operation != "Get" || params.Get("g") != "G" {
			t.Errorf("%s: %v %v", path, params, err)
		}
	}
}

func TestHandledRowsWinOverTheContract(t *testing.T) {
	rows := Merge([]Route{{Operation: "Mine", Method: "GET", Pattern: "/{scope...}/providers/Microsoft.Authorization/roleAssignments", Handle: ok}},
		[]Route{
			{Operation: "Theirs", Method: "GET", Pattern: "/subscriptions/{id}/providers/Microsoft.Authorization/roleAssignments"},
			{Operation: "Same", Method: "GET", Pattern: "/{other}/Providers/Microsoft.Authorization/roleAssignments"},
		})
	if len(rows) != 2 {
		t.Fatalf("a row of the same shape was added: %v", rows)
	}
	route, _, err := NewTable(rows, true).Match("GET", "/subscriptions/s/providers/Microsoft.Authorization/roleAssignments")
	if err != nil || route.Operation != "Mine" {
		t.Fatalf("%v %v", route, err)
	}
}

func TestTablesRefuseNonsense(t *testing.T) {
	for name, rows := range map[string][]Route{
		"twice":     {{Method: "GET", Pattern: "/a/{x}"}, {Method: "GET", Pattern: "/a/{y}"}},
		"unclosed":  {{Method: "GET", Pattern: "/a/{x"}},
		"two wide":  {{Method: "GET", Pattern: "/a/x{y...}"}},
		"backwards": {{Method: "GET", Pattern: "/a/}x{"}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			NewTable(rows, false)
		}()
	}
}

func FuzzMatch(f *testing.F) {
	for _, path := range []string{"/pools/p", "/jobs/j/tasks/t/files/a%2Fb", "/certificates(thumbprintAlgorithm=sha1,thumbprint=0A)", "/%", "//a//"} {
		f.Add("GET", path)
	}
	table := NewTable(demoRows, false)
	f.Fuzz(func(t *testing.T, method, path string) {
		route, params, err := table.Match(method, path)
		if (route == nil) == (err == nil) {
			t.Fatalf("%q: %v and %v", path, route, err)
		}
		for _, p := range params {
			if route != nil && p.Value == "" {
				t.Fatalf("%q: %s is empty", path, p.Name)
			}
		}
	})
}
