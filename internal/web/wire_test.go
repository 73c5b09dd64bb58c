package web

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"millpond/internal/fault"
	"millpond/internal/resource"
)

type (
	color string
	thing struct {
		ID     *string           `json:"id,omitzero" wire:"req,max=8"`
		Color  *color            `json:"color,omitzero"`
		Count  *int32            `json:"count,omitzero"`
		Long   *int64            `json:"long,omitzero,string"`
		Ratio  *float64          `json:"ratio,omitzero"`
		On     *bool             `json:"on,omitzero"`
		When   *Time             `json:"when,omitzero"`
		Offset *Compute          `json:"offset,omitzero"`
		Span   *Duration         `json:"span,omitzero"`
		Inner  *inner            `json:"inner,omitzero"`
		List   []inner           `json:"list,omitzero"`
		Names  []string          `json:"names,omitzero"`
		Tags   map[string]string `json:"tags,omitzero"`
		Raw    json.RawMessage   `json:"raw,omitzero"`
		Old    *string           `json:"old,omitzero"`
		New    *string           `json:"new,omitzero"`
		Self   *thing            `json:"self,omitzero"`
		Plain  int               `json:"plain,omitzero"`
		Always int               `json:"always"`
	}
	inner struct {
		Line *string `json:"line,omitzero" wire:"req"`
		Wait *bool   `json:"wait,omitzero"`
	}
)

func demoSchema() *Schema {
	return &Schema{
		Enums: map[string][]string{"color": {"red", "BlueGreen"}}, Names: map[string]string{"thing": "Thing"}, TypePrefix: "Demo.",
		Versions: &Versions{Known: []string{"1", "2"}, Properties: map[string]Mark{"thing.old": {Until: "2"}, "thing.new": {Since: "2"}}},
	}
}

func TestRoundTrip(t *testing.T) {
	const text = `{"id":"a","color":"BlueGreen","count":-3,"long":"9007199254740993","ratio":0.5,"on":false,"when":"2024-02-29T00:00:00Z",` +
		`"offset":"2024-02-29T00:00:00.5+00:00","span":"P1DT2H","inner":{"line":"x","wait":true},"list":[{"line":"y"}],"names":[],` +
		`"tags":{"a":"1","b":"é \"<>&\u0001"},"raw":{"any": [1,2.5e3,null,true]},"new":"n","self":{"id":"b","always":0},"plain":7,"always":0}`
	var v thing
	s := demoSchema()
	if err := s.Decode([]byte(text), &v, "2"); err != nil {
		t.Fatal(err)
	}
	got, err := s.Encode(Envelope{}, &v, "2", nil)
	if err != nil || string(got) != text {
		t.Fatalf("%v\n got %s\nwant %s", err, got, text)
	}
	// what a client may send differently and means the same
	loose := "\xef\xbb\xbf" + strings.NewReplacer(`"BlueGreen"`, `"bluegreen"`, `"9007199254740993"`, `9007199254740993`, `"P1DT2H"`, `"P0DT26H00M"`,
		`"id":"a"`, ` "odata.metadata" : {"x":[1]}, "\u0069d" : "a" `, `"2024-02-29T00:00:00Z"`, `"2024-02-29T01:00:00+01:00"`, `"count":-3`, `"count":"-3"`).Replace(text) + "\r\n"
	var w thing
	if err := s.Decode([]byte(loose), &w, "2"); err != nil {
		t.Fatal(err)
	}
	if again, _ := s.Encode(Envelope{}, &w, "2", nil); string(again) != text {
		t.Fatalf("got %s\nwant %s", again, text)
	}
}

func TestDecodeRefuses(t *testing.T) {
	s := demoSchema()
	const unknown = "The property '%' does not exist on type 'Demo.Thing'. Make sure to only use property names that are defined by the type."
	for body, want := range map[string]string{
		``:                              "InvalidRequestBody The request body is empty.",
		`  `:                            "InvalidRequestBody The request body is empty.",
		`[]`:                            "InvalidRequestBody The request body must be a JSON object.",
		`null`:                          "InvalidRequestBody The request body must be a JSON object.",
		`{`:                             "InvalidRequestBody Invalid JSON at byte 1: a property name is expected.",
		`{"id":"a"`:                     "InvalidRequestBody Invalid JSON at byte 9: a comma or the end of the object is expected.",
		`{"id":"a",}`:                   "InvalidRequestBody Invalid JSON at byte 10: a property name is expected.",
		`{"id":"a"} x`:                  "InvalidRequestBody Invalid JSON at byte 11: more text after the end of the object.",
		`{"id":"a`:                      "InvalidRequestBody Invalid JSON at byte 8: a string is not closed.",
		`{"id":"\x"}`:                   "InvalidRequestBody Invalid JSON at byte 9: an unknown escape stands in a string.",
		`{"id":"\ud800"}`:               "InvalidRequestBody Invalid JSON at byte 13: half of a surrogate pair stands alone.",
		"{\"id\":\"\xff\"}":             "InvalidRequestBody Invalid JSON at byte 7: the text is not UTF-8.",
		"{\"id\":\"a\nb\"}":             "InvalidRequestBody Invalid JSON at byte 8: a control character stands in a string.",
		`{"count":01}`:                  "InvalidRequestBody Invalid JSON at byte 9: a value is expected.",
		`{"id":nul}`:                    "InvalidRequestBody Invalid JSON at byte 6: a value is expected.",
		`{"nope":1}`:                    "InvalidRequestBody " + strings.Replace(unknown, "%", "nope", 1),
		`{"ID":"a"}`:                    "InvalidRequestBody " + strings.Replace(unknown, "%", "ID", 1),
		`{"old":"x","id":"a"}`:          "InvalidRequestBody " + strings.Replace(unknown, "%", "old", 1),
		`{"id":"a","id":"b"}`:           "InvalidRequestBody The property 'id' is given more than once.",
		`{"id":1}`:                      "InvalidRequestBody Cannot convert the literal '1' to the expected type 'Edm.String'.",
		`{"id":"a","count":"x"}`:        "InvalidRequestBody Cannot convert the literal 'x' to the expected type 'Edm.Int32'.",
		`{"id":"a","count":1.5}`:        "InvalidRequestBody Cannot convert the literal '1.5' to the expected type 'Edm.Int32'.",
		`{"id":"a","count":3000000000}`: "InvalidRequestBody Cannot convert the literal '3000000000' to the expected type 'Edm.Int32'.",
		`{"id":"a","on":"true"}`:        "InvalidRequestBody Cannot convert the literal 'true' to the expected type 'Edm.Boolean'.",
		`{"id":"a","when":"today"}`:     "InvalidRequestBody Cannot convert the literal 'today' to the expected type 'Edm.DateTime'.",
		`{"id":"a","span":"5 min"}`:     "InvalidRequestBody Cannot convert the literal '5 min' to the expected type 'Edm.Time'.",
		`{"id":"a","inner":[]}`:         "InvalidRequestBody An object is expected where '[]' was found.",
		`{"id":"a","list":{}}`:          "InvalidRequestBody An array is expected where '{}' was found.",
		`{"id":"a","list":[null]}`:      "InvalidRequestBody An object is expected where 'null' was found.",
		`{"id":"a","tags":{"x":1}}`:     "InvalidRequestBody Cannot convert the literal '1' to the expected type 'Edm.String'.",
		`{"id":"a","color":"mauve"}`:    "InvalidPropertyValue color|mauve|The value must be one of: BlueGreen, red",
		`{"id":"123456789"}`:            "InvalidPropertyValue id|123456789|The length must not exceed 8 characters",
		`{}`:                            "MissingRequiredProperty id",
		`{"id":null}`:                   "MissingRequiredProperty id",
		`{"id":"a","inner":{}}`:         "MissingRequiredProperty line",
		`{"id":"a","list":[{"line":"x"},{"wait":true}]}`:                             "MissingRequiredProperty line",
		`{"id":"a","raw":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`: "InvalidRequestBody Invalid JSON at byte 47: too deeply nested.",
	} {
		var v thing
		err := s.Decode([]byte(body), &v, "2")
		var f *fault.Error
		got := "nil"
		if errors.As(err, &f) {
			values := make([]string, 0, len(f.Details))
			for _, d := range f.Details {
				values = append(values, d.Value)
			}
			got = f.Code + " " + strings.Join(values, "|")
		}
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", body, got, want)
		}
	}
	var v thing
	if err := s.Decode([]byte(`{"id":"12345678","old":"x"}`), &v, "1"); err != nil || *v.Old != "x" {
		t.Error("an older version lost its property:", err)
	}
	if err := s.Decode([]byte(`{"id":"ééééééé8"}`), &v, "1"); err != nil {
		t.Error("length is counted in bytes:", err)
	}
}

func TestFoldedNames(t *testing.T) {
	s := demoSchema()
	s.FoldNames = true
	var v thing
	if err := s.Decode([]byte(`{"Id":"a","COUNT":1}`), &v, ""); err != nil || *v.ID != "a" || *v.Count != 1 {
		t.Fatal(err)
	}
	if err := s.Decode([]byte(`{"Id":"a","id":"b"}`), &v, ""); err == nil {
		t.Fatal("two spellings of one property passed")
	}
}

func TestEncodeHidesAndSelects(t *testing.T) {
	s := demoSchema()
	v := thing{ID: new("a"), Old: new("o"), New: new("n"), Inner: &inner{Line: new("x"), Wait: new(true)}, Long: new(int64(5)), When: At(0), Span: For(resource.Minute)}
	env := Envelope{Metadata: "m#things/@Element", NextName: "odata.nextLink"}
	sel := func(text string) *Selection { s, _ := ParseSelect(text); return s }
	for name, test := range map[string]struct {
		body    any
		version string
		sel     *Selection
		want    string
	}{
		"old version":   {&v, "1", nil, `{"odata.metadata":"m#things/@Element","id":"a","long":"5","span":"PT1M","inner":{"line":"x","wait":true},"old":"o","always":0}`},
		"new version":   {&v, "2", sel("new,old"), `{"odata.metadata":"m#things/@Element","new":"n"}`},
		"nested select": {v, "2", sel("inner/wait"), `{"odata.metadata":"m#things/@Element","inner":{"wait":true}}`},
		"empty select":  {&v, "2", sel("nothing"), `{"odata.metadata":"m#things/@Element"}`},
		"list":          {Values{Items: []thing{v, v}, Next: "http://x?a&b"}, "1", sel("id"), `{"odata.metadata":"m#things/@Element","value":[{"id":"a"},{"id":"a"}],"odata.nextLink":"http://x?a&b"}`},
		"pointers":      {Values{Items: []*thing{&v}}, "1", sel("id"), `{"odata.metadata":"m#things/@Element","value":[{"id":"a"}]}`},
		"no list":       {Values{}, "1", nil, `{"odata.metadata":"m#things/@Element","value":[]}`},
		"empty list":    {Values{Items: []thing{}}, "1", nil, `{"odata.metadata":"m#things/@Element","value":[]}`},
		"map":           {map[string]any{"b": 1, "a": []string{"x"}, "c": nil}, "1", nil, `{"odata.metadata":"m#things/@Element","a":["x"],"b":1,"c":null}`},
		"raw":           {json.RawMessage(`{"x":1}`), "1", nil, `{"x":1}`},
	} {
		got, err := s.Encode(env, test.body, test.version, test.sel)
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, got, test.want)
		}
	}
	if got, err := s.Encode(Envelope{}, []inner{{Line: new("x")}}, "", nil); err != nil || string(got) != `[{"line":"x"}]` {
		t.Errorf("bare array: %s %v", got, err)
	}
}

// A type that knows how it looks is asked; an embedded struct is refused, as it
// would be lost.
func TestForeignTypes(t *testing.T) {
	type foreign struct {
		When time.Time `json:"when"`
		Who  *big.Int  `json:"who,omitzero"`
	}
	s := demoSchema()
	var v foreign
	const text = `{"when":"2024-02-29T12:00:00Z","who":123456789012345678901234567890}`
	if err := s.Decode([]byte(text), &v, ""); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Encode(Envelope{}, &v, "", nil); err != nil || string(got) != text {
		t.Fatalf("%s %v", got, err)
	}
	if err := s.Decode([]byte(`{"when":"today"}`), &v, ""); !fault.Is(err, "InvalidRequestBody") {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("an embedded struct passed")
		}
	}()
	_, _ = s.Encode(Envelope{}, struct{ inner }{}, "", nil)
}

// What the decoder takes, encoding/json takes too, and both see the same.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"id":"a","count":1,"list":[{"line":"x"}],"tags":{"a":"b"},"raw":{"q":[1,2]}}`, `{"id":"\ud83d\ude00\n"}`, `{"id":"a","when":"2024-02-29T00:00:00.1Z","span":"PT1M"}`, `{"id":"a","ratio":1e5,"self":{"id":"b"}}`} {
		f.Add([]byte(s))
	}
	s := demoSchema()
	f.Fuzz(func(t *testing.T, body []byte) {
		var v thing
		if err := s.Decode(body, &v, ""); err != nil {
			if fault.CodeOf(err) == "" {
				t.Fatalf("%q: not a fault: %v", body, err)
			}
			return
		}
		plain := body
		if len(body) > 3 && body[0] == 0xef {
			plain = body[3:]
		}
		if !json.Valid(plain) {
			t.Fatalf("%q is not JSON and was taken", body)
		}
		out, err := s.Encode(Envelope{}, &v, "", nil)
		if err != nil || !json.Valid(out) {
			t.Fatalf("%q -> %q %v", body, out, err)
		}
		var again thing
		if err := s.Decode(out, &again, ""); err != nil {
			t.Fatalf("%q -> %q: %v", body, out, err)
		}
	})
}
