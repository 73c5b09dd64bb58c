package clients

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// ubuntu is the image the documents speak of; here it is served from the host's own system.
const ubuntu = "Canonical:UbuntuServer:18.04-LTS"

// images are the gallery image versions the samples' pools are made from.
type images struct {
	ubuntu   string // resource id; base Canonical UbuntuServer 18.04-LTS
	host     string // resource id; base this machine's own system
	agentSKU string // of host
}

const galleryName = "samples"

// prepare makes the image versions the short way: disk, snapshot, managed image, version. The way over a virtual machine is
// examples/mainjob's.
func prepare(t *testing.T, w *world) {
	a := newARM(t, w)
	host := w.HostImage()
	ref, ok := host["imageReference"].(map[string]any)
	if !ok {
		t.Fatalf("no host image: %v", host)
	}
	w.images.agentSKU = fmt.Sprint(host["nodeAgentSKUId"])
	a.put("galleries/"+galleryName, map[string]any{})
	w.images.ubuntu = a.version("ubuntu", ubuntu)
	w.images.host = a.version("host", fmt.Sprintf("%s:%s:%s", ref["publisher"], ref["offer"], ref["sku"]))
}

// arm is a client of the Resource Manager in the account's resource group.
type arm struct {
	t     *testing.T
	w     *world
	http  *http.Client
	token string
	group string
}

func newARM(t *testing.T, w *world) *arm {
	t.Helper()
	pem, err := os.ReadFile(w.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	a := &arm{t: t, w: w, http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}}
	a.group = fmt.Sprintf("/subscriptions/%s/resourceGroups/%s", w.SubscriptionID, w.ResourceGroup)
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {w.ClientID}, "client_secret": {w.ClientSecret},
		"scope": {"https://management.azure.com/.default"}}
	resp, err := a.http.PostForm(w.LoginURL+"/"+w.TenantID+"/oauth2/v2.0/token", form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.AccessToken == "" {
		t.Fatalf("no token: %s %v", resp.Status, err)
	}
	a.token = got.AccessToken
	return a
}

// send makes one request for a resource below Microsoft.Compute of the group.
func (a *arm) send(method, path string, body any) (state, text string) {
	a.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		a.t.Fatal(err)
	}
	address := a.w.ARMURL + a.group + "/providers/Microsoft.Compute/" + path + "?api-version=2024-03-03"
	req, err := http.NewRequestWithContext(a.t.Context(), method, address, bytes.NewReader(raw))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.http.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	if resp.StatusCode >= 300 {
		a.t.Fatalf("%s %s: %s %s", method, path, resp.Status, answer)
	}
	var got struct {
		Properties struct {
			ProvisioningState string `json:"provisioningState"`
		} `json:"properties"`
	}
	if len(answer) > 0 {
		if err := json.Unmarshal(answer, &got); err != nil {
			a.t.Fatalf("%s %s: %v: %s", method, path, err, answer)
		}
	}
	return got.Properties.ProvisioningState, string(answer)
}

// put makes a resource and waits until it is whole; its id is given back.
func (a *arm) put(path string, properties map[string]any) string {
	a.t.Helper()
	a.send(http.MethodPut, path, map[string]any{"location": a.w.Location, "properties": properties})
	a.w.eventually(a.t, time.Minute, path, func() (bool, string) {
		state, text := a.send(http.MethodGet, path, nil)
		if state == "Failed" {
			a.t.Fatalf("%s failed: %s", path, text)
		}
		return state == "Succeeded", text
	})
	return a.group + "/providers/Microsoft.Compute/" + path
}

// version makes a gallery image version whose base is image, PUBLISHER:OFFER:SKU.
func (a *arm) version(name, image string) string {
	a.t.Helper()
	part := strings.Split(image, ":")
	base := fmt.Sprintf("/Subscriptions/%s/Providers/Microsoft.Compute/Locations/%s/Publishers/%s/ArtifactTypes/VMImage/Offers/%s/Skus/%s/Versions/latest",
		a.w.SubscriptionID, a.w.Location, part[0], part[1], part[2])
	disk := a.put("disks/"+name, map[string]any{"osType": "Linux",
		"creationData": map[string]any{"createOption": "FromImage", "imageReference": map[string]any{"id": base}}})
	snapshot := a.put("snapshots/"+name, map[string]any{
		"creationData": map[string]any{"createOption": "Copy", "sourceResourceId": disk}})
	image = a.put("images/"+name, map[string]any{"hyperVGeneration": "V1", "storageProfile": map[string]any{"osDisk": map[string]any{
		"osType": "Linux", "osState": "Generalized", "snapshot": map[string]any{"id": snapshot}}}})
	a.put("galleries/"+galleryName+"/images/"+name, map[string]any{"osType": "Linux", "osState": "Generalized", "hyperVGeneration": "V1",
		"identifier": map[string]any{"publisher": "me", "offer": "samples", "sku": name}})
	return a.put("galleries/"+galleryName+"/images/"+name+"/versions/1.0.0", map[string]any{
		"publishingProfile": map[string]any{"targetRegions": []any{map[string]any{"name": a.w.Location, "regionalReplicaCount": 1}}},
		"storageProfile":    map[string]any{"source": map[string]any{"id": image}}})
}
