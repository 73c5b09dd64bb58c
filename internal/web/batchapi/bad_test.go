package batchapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"millpond/internal/pool"
	"millpond/internal/web/webtest"
)

const v = "?api-version=2024-02-01.19.0"

// vm is the part of a pool's body that is never at fault.
const vm = `"virtualMachineConfiguration":{"imageReference":{"publisher":"Debian","offer":"debian-12","sku":"12"},"nodeAgentSKUId":"batch.node.debian 12"}`

func poolBody(parts string) string {
	return `{"id":"bad","vmSize":"standard_d2_v3",` + parts + `,` + vm + `}`
}
func jobBody(parts string) string  { return `{"id":"bad","poolInfo":{"poolId":"p"},` + parts + `}` }
func taskBody(parts string) string { return `{"id":"bad","commandLine":"x",` + parts + `}` }

// bad is a request nobody should send: its answer's status and code, and words
// that name the field and the rule.
type bad struct{ name, method, target, body, want, says string }

func badBodies() []bad {
	pools, jobs, tasks := "/pools"+v, "/jobs"+v, "/jobs/j/tasks"+v
	return []bad{
		{"empty", "POST", pools, ``, "400 InvalidRequestBody", "body is empty"},
		{"no object", "POST", pools, `[]`, "400 InvalidRequestBody", "must be a JSON object"},
		{"cut off", "POST", pools, `{"id":"bad"`, "400 InvalidRequestBody", "Invalid JSON at byte 11"},
		{"two objects", "POST", jobs, jobBody(`"priority":1`) + `{}`, "400 InvalidRequestBody", "more text after the end"},
		{"trailing comma", "POST", jobs, `{"id":"bad",}`, "400 InvalidRequestBody", "property name is expected"},
		{"single quotes", "POST", jobs, `{'id':'bad'}`, "400 InvalidRequestBody", "property name is expected"},
		{"not a number", "POST", jobs, jobBody(`"priority":NaN`), "400 InvalidRequestBody", "Invalid JSON"},
		{"not UTF-8", "POST", jobs, "{\"id\":\"bad\",\"poolInfo\":{\"poolId\":\"p\"},\"displayName\":\"\xff\xfe\"}", "400 InvalidRequestBody", "UTF-8"},
		{"too deep", "POST", jobs, strings.Repeat(`{"poolInfo":`, 40) + strings.Repeat(`}`, 40), "400 InvalidRequestBody", ""},
		{"doubled property", "POST", jobs, jobBody(`"id":"other"`), "400 InvalidRequestBody", "'id' is given more than once"},
		{"unknown property", "POST", pools, poolBody(`"targetNodes":2`), "400 InvalidRequestBody", "'targetNodes' does not exist on type"},
		{"unknown inner property", "POST", tasks, taskBody(`"constraints":{"maxRetries":1}`), "400 InvalidRequestBody", "'maxRetries' does not exist on type"},
		{"property in another case", "POST", jobs, `{"Id":"bad","poolInfo":{"poolId":"p"}}`, "400 InvalidRequestBody", "'Id' does not exist"},
		{"property of later versions", "POST", "/pools?api-version=2019-08-01.10.0", poolBody(`"taskSlotsPerNode":2`), "400 InvalidRequestBody", "'taskSlotsPerNode'"},
		{"text for a number", "POST", pools, poolBody(`"targetDedicatedNodes":"two"`), "400 InvalidRequestBody", "literal 'two'"},
		{"number for a text", "POST", jobs, `{"id":7,"poolInfo":{"poolId":"p"}}`, "400 InvalidRequestBody", "literal '7'"},
		{"object for a text", "POST", jobs, `{"id":{},"poolInfo":{"poolId":"p"}}`, "400 InvalidRequestBody", ""},
		{"text for a list", "POST", jobs, jobBody(`"metadata":"x"`), "400 InvalidRequestBody", "array is expected"},
		{"text for an object", "POST", jobs, `{"id":"bad","poolInfo":"p"}`, "400 InvalidRequestBody", "object is expected"},
		{"null in a list", "POST", jobs, jobBody(`"metadata":[null]`), "400 InvalidRequestBody", ""},
		{"fraction for a count", "POST", pools, poolBody(`"targetDedicatedNodes":1.5`), "400 InvalidRequestBody", "1.5"},
		{"count beyond 32 bits", "POST", pools, poolBody(`"targetDedicatedNodes":99999999999`), "400 InvalidRequestBody", "99999999999"},
		{"no id", "POST", pools, `{"vmSize":"standard_d2_v3",` + vm + `}`, "400 MissingRequiredProperty", "id"},
		{"no pool", "POST", jobs, `{"id":"bad"}`, "400 MissingRequiredProperty", "poolInfo"},
		{"no pool id", "POST", jobs, `{"id":"bad","poolInfo":{}}`, "400 MissingRequiredProperty", "poolInfo.poolId"},
		{"null id", "POST", jobs, `{"id":null,"poolInfo":{"poolId":"p"}}`, "400 MissingRequiredProperty", "id"},
		{"no command", "POST", tasks, `{"id":"bad"}`, "400 MissingRequiredProperty", "commandLine"},
		{"empty command", "POST", tasks, `{"id":"bad","commandLine":""}`, "400 MissingRequiredProperty", "commandLine"},
		{"command too long", "POST", tasks, `{"id":"bad","commandLine":"` + strings.Repeat("x", 32769) + `"}`, "400 InvalidPropertyValue", "commandLine"},
		{"no machine", "POST", pools, `{"id":"bad","vmSize":"standard_d2_v3"}`, "400 MissingRequiredProperty", "virtualMachineConfiguration"},
		{"id with a blank", "POST", pools, `{"id":"b ad","vmSize":"standard_d2_v3",` + vm + `}`, "400 InvalidPropertyValue", "letters, digits, hyphens and underscores"},
		{"id with dots", "POST", jobs, `{"id":"../../etc","poolInfo":{"poolId":"p"}}`, "400 InvalidPropertyValue", "PropertyName=id"},
		{"id too long", "POST", tasks, `{"id":"` + strings.Repeat("x", 65) + `","commandLine":"x"}`, "400 InvalidPropertyValue", "1 to 64 characters"},
		{"id with a line end", "POST", tasks, `{"id":"bad\n","commandLine":"x"}`, "400 InvalidPropertyValue", "PropertyName=id"},
		{"id of other letters", "POST", tasks, `{"id":"bäd","commandLine":"x"}`, "400 InvalidPropertyValue", "PropertyName=id"},
		{"display name too long", "POST", jobs, jobBody(`"displayName":"` + strings.Repeat("x", 1025) + `"`), "400 InvalidPropertyValue", "displayName"},
		{"unknown size", "POST", pools, `{"id":"bad","vmSize":"standard_x99",` + vm + `}`, "400 InvalidPropertyValue", "vmSize"},
		{"unknown image", "POST", pools, `{"id":"bad","vmSize":"standard_d2_v3","virtualMachineConfiguration":{"imageReference":{"publisher":"a","offer":"b","sku":"c"},"nodeAgentSKUId":"x"}}`, "400 InvalidPropertyValue", "The specified imageReference with publisher a offer b sku c is not supported."},
		{"agent of another image", "POST", pools, strings.Replace(poolBody(`"metadata":[]`), "batch.node.debian 12", "batch.node.ubuntu 16.04", 1), "400 InvalidPropertyValue", "batch.node.debian 12"},
		{"bad enum", "POST", pools, poolBody(`"taskSchedulingPolicy":{"nodeFillType":"Tight"}`), "400 InvalidPropertyValue", "nodeFillType"},
		{"bad enum of a task", "POST", tasks, taskBody(`"userIdentity":{"autoUser":{"scope":"world"}}`), "400 InvalidPropertyValue", "scope"},
		{"bad enum of a job", "POST", jobs, jobBody(`"onAllTasksComplete":"explode"`), "400 InvalidPropertyValue", "onAllTasksComplete"},
		{"bad duration", "POST", pools, poolBody(`"resizeTimeout":"15 minutes"`), "400 InvalidRequestBody", "15 minutes"},
		{"negative duration", "POST", jobs, jobBody(`"constraints":{"maxWallClockTime":"-PT1H"}`), "400 InvalidPropertyValue", "maxWallClockTime"},
		{"no duration at all", "POST", tasks, taskBody(`"constraints":{"maxWallClockTime":"PT0S"}`), "400 InvalidPropertyValue", "maxWallClockTime"},
		{"negative retention", "POST", tasks, taskBody(`"constraints":{"retentionTime":"-P1D"}`), "400 InvalidPropertyValue", "retentionTime"},
		{"duration beyond all", "POST", tasks, taskBody(`"constraints":{"maxWallClockTime":"P99999999999D"}`), "400 InvalidRequestBody", ""},
		{"timeout too short", "POST", pools, poolBody(`"resizeTimeout":"PT1M"`), "400 InvalidPropertyValue", "resizeTimeout"},
		{"timeout too long", "POST", pools, poolBody(`"resizeTimeout":"P8D"`), "400 InvalidPropertyValue", "resizeTimeout"},
		{"negative nodes", "POST", pools, poolBody(`"targetDedicatedNodes":-1`), "400 InvalidPropertyValue", "targetDedicatedNodes"},
		{"negative low priority", "POST", pools, poolBody(`"targetLowPriorityNodes":-1`), "400 InvalidPropertyValue", "targetLowPriorityNodes"},
		{"no slots", "POST", pools, poolBody(`"taskSlotsPerNode":0`), "400 InvalidPropertyValue", "taskSlotsPerNode"},
		{"negative slots", "POST", pools, poolBody(`"taskSlotsPerNode":-3`), "400 InvalidPropertyValue", "taskSlotsPerNode"},
		{"too many slots", "POST", pools, poolBody(`"taskSlotsPerNode":257`), "400 InvalidPropertyValue", "taskSlotsPerNode"},
		{"task without slots", "POST", tasks, taskBody(`"requiredSlots":0`), "400 InvalidPropertyValue", "requiredSlots"},
		{"task of negative slots", "POST", tasks, taskBody(`"requiredSlots":-1`), "400 InvalidPropertyValue", "requiredSlots"},
		{"negative retries", "POST", tasks, taskBody(`"constraints":{"maxTaskRetryCount":-2}`), "400 InvalidPropertyValue", "maxTaskRetryCount"},
		{"negative retries of a job", "POST", jobs, jobBody(`"constraints":{"maxTaskRetryCount":-2}`), "400 InvalidPropertyValue", "maxTaskRetryCount"},
		{"priority too high", "POST", jobs, jobBody(`"priority":1001`), "400 InvalidPropertyValue", "from -1000 to 1000"},
		{"no parallel tasks", "POST", jobs, jobBody(`"maxParallelTasks":0`), "400 InvalidPropertyValue", "maxParallelTasks"},
		{"empty metadata name", "POST", jobs, jobBody(`"metadata":[{"name":"","value":"v"}]`), "400 EmptyMetadataKey", ""},
		{"user of no account", "POST", pools, poolBody(`"startTask":{"commandLine":"x","userIdentity":{"username":"nobody"}}`), "400 InvalidPropertyValue", "not defined on the pool"},
		{"user and auto user", "POST", tasks, taskBody(`"userIdentity":{"username":"u","autoUser":{"scope":"task"}}`), "400 InvalidPropertyValue", "exclude each other"},
		{"account without password", "POST", pools, poolBody(`"userAccounts":[{"name":"u"}]`), "400 MissingRequiredProperty", "password"},
		{"account named twice", "POST", pools, poolBody(`"userAccounts":[{"name":"u","password":"Pw-1-secret"},{"name":"u","password":"Pw-1-secret"}]`), "400 InvalidPropertyValue", "more than one user account"},
		{"account of Windows", "POST", pools, poolBody(`"userAccounts":[{"name":"u","password":"Pw-1-secret","windowsUserConfiguration":{"loginMode":"batch"}}]`), "400 InvalidPropertyValue", "mismatch with the OS"},
		{"package", "POST", pools, poolBody(`"applicationPackageReferences":[{"applicationId":"app"}]`), "409 InvalidApplicationPackageReferences", "app=The specified application package does not exist."},
		{"certificates", "POST", pools, poolBody(`"certificateReferences":[{"thumbprint":"a","thumbprintAlgorithm":"sha1"}]`), "400 UnsupportedProperty", "certificateReferences"},
		{"what is not written", "POST", tasks, taskBody(`"resourceFiles":[{"httpUrl":"https://x","filePath":"f"}]`), "400 UnsupportedProperty", "resourceFiles"},
		{"autoscale", "POST", pools, poolBody(`"enableAutoScale":true,"autoScaleFormula":"$TargetDedicatedNodes=1"`), "400 UnsupportedProperty", "enableAutoScale"},
		{"auto pool", "POST", jobs, `{"id":"bad","poolInfo":{"autoPoolSpecification":{"poolLifetimeOption":"job"}}}`, "400 UnsupportedProperty", "autoPoolSpecification"},
		{"dependencies", "POST", tasks, taskBody(`"dependsOn":{"taskIds":["a"]}`), "400 UnsupportedProperty", "dependsOn"},
		{"too large", "POST", jobs, jobBody(`"displayName":"` + strings.Repeat("x", 1<<20) + `"`), "413 RequestBodyTooLarge", "MaxLimit=1048576"},
		{"too many tasks", "POST", "/jobs/j/addtaskcollection" + v, collection(101), "413 RequestBodyTooLarge", "MaxLimit=100"},
		{"collection without value", "POST", "/jobs/j/addtaskcollection" + v, `{}`, "400 MissingRequiredProperty", "value"},
		{"bad reboot option", "POST", "/pools/p/nodes/NODE/reboot" + v, `{"nodeRebootOption":"now"}`, "400 InvalidPropertyValue", "nodeRebootOption"},
		{"bad user", "POST", "/pools/p/nodes/NODE/users" + v, `{"name":"a;rm -rf /","password":"Pw-1-secret"}`, "400 InvalidPropertyValue", "PropertyName=name"},
		{"bad expiry", "POST", "/pools/p/nodes/NODE/users" + v, `{"name":"a","password":"Pw-1-secret","expiryTime":"tomorrow"}`, "400 InvalidRequestBody", "tomorrow"},
		{"too many nodes to remove", "POST", "/pools/p/removenodes" + v, `{"nodeList":[` + strings.TrimSuffix(strings.Repeat(`"x",`, 101), ",") + `]}`, "400 InvalidPropertyValue", "At most 100 nodes"},
	}
}

func badRequests() []bad {
	body := jobBody(`"priority":1`)
	return []bad{
		{"no api-version", "POST", "/jobs", body, "400 MissingRequiredQueryParameter", "api-version"},
		{"empty api-version", "POST", "/jobs?api-version=", body, "400 MissingRequiredQueryParameter", "api-version"},
		{"unknown api-version", "POST", "/jobs?api-version=2030-01-01.1.0", body, "400 InvalidQueryParameterValue", "2030-01-01.1.0"},
		{"malformed api-version", "POST", "/jobs?api-version=%27--", body, "400 InvalidQueryParameterValue", "api-version"},
		{"maxresults 0", "GET", "/jobs" + v + "&maxresults=0", "", "400 InvalidQueryParameterValue", "MaxResults cannot be less than 1"},
		{"maxresults negative", "GET", "/jobs" + v + "&maxResults=-5", "", "400 InvalidQueryParameterValue", "QueryParameterName=maxresults"},
		{"maxresults too many", "GET", "/pools/p/nodes" + v + "&maxresults=1001", "", "400 InvalidQueryParameterValue", "maxresults"},
		{"maxresults a word", "GET", "/jobs/j/tasks" + v + "&maxresults=all", "", "400 InvalidQueryParameterValue", "maxresults"},
		{"maxresults empty", "GET", "/jobs/j/tasks" + v + "&maxresults=", "", "400 InvalidQueryParameterValue", "maxresults"},
		{"skiptoken of nobody", "GET", "/jobs" + v + "&$skiptoken=abc", "", "400 InvalidQueryParameterValue", "$skiptoken"},
		{"skiptoken cut off", "GET", "/pools" + v + "&$skiptoken=WATV2:a", "", "400 InvalidQueryParameterValue", "$skiptoken"},
		{"skiptoken bent", "GET", "/pools/p/nodes/NODE/files" + v + "&$skiptoken=WATV2:LTU:1$1", "", "400 InvalidQueryParameterValue", "$skiptoken"}, // -5
		{"skiptoken of another list", "GET", "/pools/p/nodes/NODE/files" + v + "&$skiptoken=WATV2:YWJj:1$1", "", "400 InvalidQueryParameterValue", "$skiptoken"},
		{"filter cut off", "GET", "/jobs" + v + "&$filter=id%20eq", "", "400 InvalidQueryParameterValue", "$filter"},
		{"filter open string", "GET", "/jobs" + v + "&$filter=id%20eq%20'x", "", "400 InvalidQueryParameterValue", "$filter"},
		{"filter of unknown property", "GET", "/jobs" + v + "&$filter=colour%20eq%20'red'", "", "400 InvalidQueryParameterValue", "'colour'"},
		{"filter of unknown function", "GET", "/pools" + v + "&$filter=soundslike(id,'x')", "", "400 InvalidQueryParameterValue", "soundslike"},
		{"filter too deep", "GET", "/pools" + v + "&$filter=" + strings.Repeat("(", 200), "", "400 InvalidQueryParameterValue", "$filter"},
		{"select of nothing", "GET", "/jobs/j" + v + "&$select=id,,state", "", "400 InvalidQueryParameterValue", "$select"},
		{"recursive maybe", "GET", "/pools/p/nodes/NODE/files" + v + "&recursive=maybe", "", "400 InvalidQueryParameterValue", "recursive"},
		{"unknown account by path", "POST", "/batch/nobody/jobs" + v, body, "403 AuthenticationFailed", "account nobody"},
		{"no account by path", "POST", "/batch//jobs" + v, body, "400 InvalidUri", ""},
		{"pool id with a slash", "GET", "/pools/a%2Fb" + v, "", "404 PoolNotFound", ""},
		{"pool id with a quote", "GET", "/pools/a'%20OR%201=1--" + v, "", "404 PoolNotFound", ""},
		{"pool id with NUL", "GET", "/pools/a%00b" + v, "", "400 InvalidUri", ""},
		{"pool id not UTF-8", "GET", "/pools/%ff%fe" + v, "", "404 PoolNotFound", ""},
		{"task id very long", "GET", "/jobs/j/tasks/" + strings.Repeat("x", 5000) + v, "", "404 TaskNotFound", ""},
		{"job id of dots", "DELETE", "/jobs/%2e%2e" + v, "", "404 JobNotFound", ""},
	}
}

// badPaths are tricks to reach a file that is not the node's or the task's;
// links were laid by the test.
func badPaths() []bad {
	var all []bad
	for base, what := range map[string]string{"/pools/p/nodes/NODE/files/": "node", "/jobs/j/tasks/t/files/": "task"} {
		for path, want := range map[string]string{
			"..%2f..%2f..%2fetc%2fpasswd": "400 InvalidUri", "../../etc/passwd": "400 InvalidUri", "%2e%2e/%2e%2e/etc/passwd": "400 InvalidUri",
			"wd%2F..%2F..%2Fx": "400 InvalidUri", "..%5c..%5cetc%5cpasswd": "400 InvalidUri", `wd%5C..%5C..%5Cx`: "400 InvalidUri",
			"stdout.txt%00.log": "400 InvalidUri", "%00": "400 InvalidUri", "%ff%fe": "400 InvalidUri",
			"%2Fetc%2Fpasswd": "404 FileNotFound", "//etc/passwd": "404 FileNotFound", "C%3A%5CWindows": "404 FileNotFound",
			"%2F": "404 FileNotFound", ".": "404 FileNotFound", "~root": "404 FileNotFound", "%252e%252e%252fetc": "404 FileNotFound",
			"link-absolute": "404 FileNotFound", "link-up": "404 FileNotFound", "link-dir/hosts": "404 FileNotFound", "link-loop": "404 FileNotFound",
			strings.Repeat("a", 300): "404 FileNotFound", strings.Repeat("a/", 2000) + "a": "404 FileNotFound",
		} {
			all = append(all, bad{what + " " + path[:min(len(path), 40)], "GET", base + path + v, "", want, ""})
			if !strings.HasPrefix(path, "link-") || strings.Contains(path, "/") { // a link itself may be deleted
				all = append(all, bad{what + " delete " + path[:min(len(path), 40)], "DELETE", base + path + v, "", want, ""})
			}
		}
	}
	return all
}

func collection(n int) string {
	var b strings.Builder
	b.WriteString(`{"value":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"bad%d","commandLine":"x"}`, i)
	}
	return b.String() + `]}`
}

// busyWorld has a pool p with one node, and a job j whose task t has run.
func busyWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	for _, ask := range []string{
		"POST /pools" + v + "\n\n" + `{"id":"p","vmSize":"standard_d2_v3","targetDedicatedNodes":1,` + vm + `}`,
		"GET /nodecounts" + v + "\nUntil: \"idle\":1",
		"POST /jobs" + v + "\n\n" + `{"id":"j","poolInfo":{"poolId":"p"}}`,
		"POST /jobs/j/tasks" + v + "\n\n" + `{"id":"t","commandLine":"true"}`,
		"GET /jobs/j/tasks/t" + v + "\nUntil: \"completed\"",
		"GET /nodecounts" + v + "\nUntil: \"idle\":1",
	} {
		if got := webtest.Ask(t, w, ask); got[0] != '2' {
			t.Fatal(got)
		}
	}
	return w
}

// everything is all that could have been created or changed.
func everything(t *testing.T, w *world) string {
	t.Helper()
	var b strings.Builder
	for _, path := range []string{"/pools", "/jobs", "/jobs/j/tasks", "/pools/p/nodes", "/jobs/j/taskcounts"} {
		b.WriteString(webtest.Ask(t, w, "GET "+path+v, sameEverywhere...))
	}
	b.WriteString(webtest.Ask(t, w, "GET /pools/p/nodes/NODE/files"+v+"&recursive=true&$select=name", sameEverywhere...))
	pools, err := w.db.ListPools(t.Context(), "uid-acct", "", 10)
	must(t, err)
	for _, p := range pools {
		nodes, err := w.db.NodesOfPool(t.Context(), p.UID)
		must(t, err)
		for _, n := range nodes {
			fmt.Fprintln(&b, n.Rev, n.Wish, n.Users)
		}
	}
	return b.String()
}

func TestBadInputCreatesNothing(t *testing.T) {
	w := busyWorld(t)
	for name, to := range map[string]string{"link-absolute": "/etc/passwd", "link-up": "../../../../../../../../../../etc/passwd", "link-dir": "/etc", "link-loop": "link-loop"} {
		webtest.Ask(t, w, "POST /-/link/"+name+"\n\n"+to)
		webtest.Ask(t, w, "POST /-/link/workitems/j/job-1/t/"+name+"\n\n"+to)
	}
	before := everything(t, w)
	for _, set := range [][]bad{badBodies(), badRequests(), badPaths()} {
		for _, b := range set {
			t.Run(b.name, func(t *testing.T) {
				status, text := w.ask(t, b.method, b.target, b.body)
				if status+" "+codeOf(text) != b.want || !strings.Contains(text, b.says) {
					t.Errorf("%s %s\ngot %s %s\nwant %s, %q", b.method, b.target[:min(len(b.target), 200)], status, text, b.want, b.says)
				}
				if strings.Contains(text, "root:x:0") {
					t.Error("a file of this machine was served")
				}
				if after := everything(t, w); after != before {
					t.Errorf("something was changed: %s", cmp.Diff(before, after))
					before = after
				}
			})
		}
	}
}

// A user whom the node refused is not kept: the next try neither meets it nor
// finds its old self changed.
func TestUsersThatFailAreNotKept(t *testing.T) {
	w := busyWorld(t)
	ask := func(method, path, body, want string) {
		t.Helper()
		if status, text := w.ask(t, method, "/pools/p/nodes/NODE/users"+path+v, body); status+" "+codeOf(text) != want {
			t.Errorf("%s %s: %s %s, want %s", method, body, status, text, want)
		}
	}
	for range 2 {
		ask("POST", "", `{"name":"a","sshPublicKey":"cursed"}`, "409 NodeNotReady")
	}
	ask("POST", "", `{"name":"a","sshPublicKey":"ssh-ed25519 A"}`, "201 ")
	with := users(t, w)
	ask("PUT", "/a", `{"sshPublicKey":"cursed"}`, "409 NodeNotReady")
	if diff := cmp.Diff(with, users(t, w)); diff != "" {
		t.Error(diff)
	}
	ask("DELETE", "/a", "", "200 ")
	if left := users(t, w); len(left) > 0 {
		t.Error(left)
	}
}

// users are those of the pool's one node, as stored.
func users(t *testing.T, w *world) []pool.NodeUser {
	t.Helper()
	p, err := w.db.GetPool(t.Context(), "uid-acct", "p")
	must(t, err)
	nodes, err := w.db.NodesOfPool(t.Context(), p.UID)
	must(t, err)
	return nodes[0].Users
}

// ask sends a signed request as it is, which the text form of a conversation
// could not hold.
func (w *world) ask(t *testing.T, method, target, body string) (status, text string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, strings.ReplaceAll(target, "NODE", w.firstNode(target)), strings.NewReader(body))
	r.Host = "acct.westeurope.batch.azure.com"
	if strings.HasPrefix(target, "/batch/") {
		r.Host = "127.0.0.1:8443"
	}
	got := w.once(r, r.URL.RequestURI(), []byte(body))
	return fmt.Sprint(got.Code), details(got)
}

// details shows an error as code and key=value.
func details(got *httptest.ResponseRecorder) string {
	text := got.Body.String()
	text = strings.NewReplacer(`{"key":"`, "", `","value":"`, "=", `"},`, ";", `"}]`, ";", `\u0026`, "&").Replace(text)
	return http.StatusText(got.Code) + " " + text
}

func codeOf(text string) string {
	_, rest, _ := strings.Cut(text, `"code":"`)
	code, _, _ := strings.Cut(rest, `"`)
	return code
}
