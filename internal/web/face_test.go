package web_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"millpond/internal/fault"
	"millpond/internal/identity"
	"millpond/internal/web"
	"millpond/internal/web/webtest"
)

type dish struct {
	ID    *string   `json:"id,omitzero" wire:"req"`
	URL   *string   `json:"url,omitzero"`
	State *string   `json:"state,omitzero"`
	Spice *int32    `json:"spice,omitzero"`
	Made  *web.Time `json:"made,omitzero"`
}

// kitchen is a small face with one row of every kind.
func kitchen(log *slog.Logger, dialect web.Dialect, schema *web.Schema) *web.Face {
	clock := webtest.NewClock()
	one := func(c *web.Call) (web.Reply, error) {
		id := c.Param("dishId")
		if id == "gone" {
			return web.Reply{}, fault.New("PoolNotFound", "")
		}
		if err := c.Conditions().Check(webtest.Start); err != nil {
			return web.Reply{}, err
		}
		return web.Entity("dishes/@Element", webtest.Start, &dish{ID: &id, URL: new(c.URL("dishes", id)), State: new("hot"), Spice: new(int32(3)), Made: web.At(c.Now)}), nil
	}
	routes := []web.Route{
		{Operation: "CreateDish", Method: "POST", Pattern: "/dishes", Action: "dishes/write", Status: 201, Handle: func(c *web.Call) (web.Reply, error) {
			var body dish
			if err := c.Decode(&body); err != nil {
				return web.Reply{}, err
			}
			return web.Created(webtest.Start, c.URL("dishes", *body.ID)), nil
		}},
		{Operation: "ListDishes", Method: "GET", Pattern: "/dishes", Status: 200, Handle: listDishes},
		{Operation: "GetDish", Method: "GET", Pattern: "/dishes/{dishId}", Status: 200, Handle: one},
		{Operation: "DishExists", Method: "HEAD", Pattern: "/dishes/{dishId}", Status: 200, Handle: one},
		{Operation: "DeleteDish", Method: "DELETE", Pattern: "/dishes/{dishId}", Status: 202, Handle: func(c *web.Call) (web.Reply, error) {
			return web.Empty(0), c.Conditions().Check(webtest.Start)
		}},
		{Operation: "CoolDish", Method: "POST", Pattern: "/dishes/{dishId}/cool", Status: 204, Handle: func(c *web.Call) (web.Reply, error) {
			var body dish
			_, err := c.DecodeOptional(&body)
			return web.Empty(webtest.Start), err
		}},
		{Operation: "Hush", Method: "POST", Pattern: "/dishes/{dishId}/hush", Status: 200, DataServiceID: web.Never, Handle: func(*web.Call) (web.Reply, error) { return web.Empty(0), nil }},
		{Operation: "Smell", Method: "GET", Pattern: "/dishes/{dishId}/smell", Status: 200, Handle: func(*web.Call) (web.Reply, error) {
			return web.Reply{Header: http.Header{"Content-Type": {"text/plain"}}, Stream: func(w http.ResponseWriter) error {
				_, err := w.Write([]byte("garlic"))
				return err
			}}, nil
		}},
		{Operation: "Burn", Method: "POST", Pattern: "/burn", Status: 200, Handle: func(*web.Call) (web.Reply, error) { panic("fire") }},
		{Operation: "Spill", Method: "POST", Pattern: "/spill", Status: 200, Handle: func(*web.Call) (web.Reply, error) {
			return web.Reply{}, errors.New("password is hunter2")
		}},
		{Operation: "Freeze", Method: "POST", Pattern: "/freeze", Status: 200},
		{Operation: "Young", Method: "GET", Pattern: "/young", Status: 200, Since: "2025-06-01", Handle: one},
		{Operation: "Door", Method: "GET", Pattern: "/door", Open: true, Status: 200, Handle: func(*web.Call) (web.Reply, error) {
			return web.Reply{Body: map[string]any{"open": true}}, nil
		}},
	}
	return &web.Face{
		Name: "kitchen", Table: web.NewTable(routes, false), Dialect: dialect, Schema: schema, Clock: clock, Log: log,
		Mount: func(r *http.Request) (web.Mount, error) {
			if strings.HasPrefix(r.URL.EscapedPath(), "/batch/") {
				return web.PathMount("/batch/")(r)
			}
			return web.HostMount(r)
		},
		Authenticate: func(c *web.Call) (identity.Principal, error) {
			if token, ok := web.Bearer(c.Header("Authorization")); !ok || token != "cook" {
				return identity.Principal{}, fault.New("AuthenticationFailed", "").With("AuthenticationErrorDetail", "who are you?")
			}
			return identity.Principal{AppID: "cook"}, nil
		},
		Authorize: func(c *web.Call) error {
			if c.Route.Action == "dishes/write" && c.Header("x-apron") == "" {
				return fault.New("InsufficientAccountPermissions", "")
			}
			return nil
		},
	}
}

func listDishes(c *web.Call) (web.Reply, error) {
	page, err := c.Paging()
	if err != nil {
		return web.Reply{}, err
	}
	filter, err := c.Filter()
	if err != nil {
		return web.Reply{}, err
	}
	var items []dish
	next := ""
	for _, id := range []string{"borscht", "curry", "dal"} {
		if id <= page.After || !filter.Match(func(path string) any { return map[string]any{"id": id}[path] }) {
			continue
		}
		if len(items) == page.Max {
			next = *items[len(items)-1].ID
			break
		}
		items = append(items, dish{ID: &id, State: new("hot")})
	}
	return web.List("dishes", items, c.NextLink(next)), nil
}

func TestBatchConversations(t *testing.T) {
	webtest.Run(t, "testdata/batch", func(t *testing.T) http.Handler {
		return kitchen(slog.New(slog.DiscardHandler), web.Batch, &web.Schema{TypePrefix: "Demo.", Versions: &web.Versions{Known: []string{"2016-02-01.3.0", "2024-07-01.20.0"}}})
	})
}

func TestARMConversations(t *testing.T) {
	webtest.Run(t, "testdata/arm", func(t *testing.T) http.Handler {
		return kitchen(slog.New(slog.DiscardHandler), web.ARM, &web.Schema{FoldNames: true, Versions: &web.Versions{}})
	})
}

func TestLogHoldsNoSecrets(t *testing.T) {
	var out bytes.Buffer
	face := kitchen(slog.New(slog.NewTextHandler(&out, nil)), web.Batch, &web.Schema{Versions: &web.Versions{Known: []string{"2024-07-01.20.0"}}})
	webtest.Ask(t, face, "GET /dishes/curry?api-version=2024-07-01.20.0&sig=s3cret\nAuthorization: Bearer cook\nclient-request-id: 7\n\n")
	webtest.Ask(t, face, "GET /dishes/curry?api-version=2024-07-01.20.0\nAuthorization: Bearer t0ken\n\n")
	text := out.String()
	for _, want := range []string{"operation=GetDish", "status=200", "status=403", "principal=app:cook", "principal=anonymous", "client=7", "code=AuthenticationFailed", "version=2024-07-01.20.0"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %s:\n%s", want, text)
		}
	}
	for _, secret := range []string{"s3cret", "t0ken", "Bearer"} {
		if strings.Contains(text, secret) {
			t.Errorf("the log holds %q:\n%s", secret, text)
		}
	}
}

func TestHiddenErrorsAreLogged(t *testing.T) {
	var out bytes.Buffer
	face := kitchen(slog.New(slog.NewTextHandler(&out, nil)), web.Batch, &web.Schema{Versions: &web.Versions{Known: []string{"2024-07-01.20.0"}}})
	for _, path := range []string{"/spill", "/burn"} {
		got := webtest.Ask(t, face, "POST "+path+"?api-version=2024-07-01.20.0\nAuthorization: Bearer cook\n\n")
		if !strings.HasPrefix(got, "500") || strings.Contains(got, "hunter2") || strings.Contains(got, "fire") {
			t.Errorf("%s: %s", path, got)
		}
	}
	for _, want := range []string{"hunter2", "panic=fire", "stack="} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}

// Over a real connection: what net/http adds or drops on the way.
func TestOverTheNetwork(t *testing.T) {
	face := kitchen(slog.New(slog.DiscardHandler), web.Batch, &web.Schema{Versions: &web.Versions{Known: []string{"2024-07-01.20.0"}}})
	server := httptest.NewServer(face)
	defer server.Close()
	ask := func(method, path string, body string, h ...string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/batch/acct"+path+"?api-version=2024-07-01.20.0", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer cook")
		r.Header.Set("x-apron", "1")
		for i := 0; i < len(h); i += 2 {
			r.Header.Set(h[i], h[i+1])
		}
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	if r := ask("POST", "/dishes/x/cool", ""); r.StatusCode != http.StatusNoContent || r.Header.Get("Date") != "Thu, 29 Feb 2024 12:00:00 GMT" {
		t.Error(r.Status, r.Header)
	}
	if r := ask("HEAD", "/dishes/gone", ""); r.StatusCode != http.StatusNotFound || r.ContentLength > 0 {
		t.Error(r.Status, r.ContentLength)
	}
	if r := ask("GET", "/dishes/x", "", "If-None-Match", webtest.Start.ETag()); r.StatusCode != http.StatusNotModified {
		t.Error(r.Status)
	}
	big := `{"id":"` + strings.Repeat("a", 8<<20) + `"}`
	r := ask("POST", "/dishes", big)
	text := new(bytes.Buffer)
	if _, err := text.ReadFrom(r.Body); err != nil || r.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(text.String(), `"key":"MaxLimit","value":"1048576"`) {
		t.Error(r.Status, text, err)
	}
	if r := ask("POST", "/dishes", `{"id":"a b"}`); r.Header.Get("Location") != server.URL+"/batch/acct/dishes/a%20b" {
		t.Error(r.Status, r.Header)
	}
}

// BenchmarkFace is what the steps around a handler cost.
func BenchmarkFace(b *testing.B) {
	face := kitchen(slog.New(slog.DiscardHandler), web.Batch, &web.Schema{Versions: &web.Versions{Known: []string{"2024-07-01.20.0"}}})
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/batch/acct/dishes/curry?api-version=2024-07-01.20.0&timeout=30", nil)
	r.Header.Set("Authorization", "Bearer cook")
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		face.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}
