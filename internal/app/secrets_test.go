package app

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millpond/internal/identity"
)

// What is secret stays where it was given: it is in no log line, in no reply to
// a list or get, and in no file of the store, also not when it was refused.
func TestSecretsStayPut(t *testing.T) {
	c := compose(t)
	arm, batch := reach{c.tls, "", ""}, c.batchFaces()["batch by path"]
	acct := "/subscriptions/" + c.start.SubscriptionID + "/resourceGroups/" + c.start.ResourceGroup + "/providers/Microsoft.Batch/batchAccounts/" + c.start.AccountName
	const password, wrong, old = "Pass-word-of-a-pool-1", "not-the-client-secret-1", "?api-version=2024-07-01"
	secrets := map[string][]byte{
		"client secret": c.start.ClientSecret.Reveal(), "pool user's password": []byte(password), "refused secret": []byte(wrong),
		"Resource Manager token": []byte(c.arm), "Batch token": []byte(c.batch), "token's signature": []byte(c.arm[strings.LastIndexByte(c.arm, '.')+1:]),
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.signingKey())
	must(t, err)
	secrets["signing key"], secrets["signing key in base64"] = der[len(der)/2:len(der)/2+32], []byte(base64.StdEncoding.EncodeToString(der)[600:660])
	sealing, err := os.ReadFile(c.folder.path("secret.key"))
	must(t, err)
	secrets["sealing key"] = bytes.TrimSpace(sealing)
	keys := func(name string) {
		acct, err := c.accounts.ByName(t.Context(), c.start.AccountName)
		must(t, err)
		k, err := c.accounts.Key(t.Context(), acct.UID)
		must(t, err)
		for half, key := range map[string]identity.Secret{"primary": k.Primary, "secondary": k.Secondary} {
			secrets[half+" key "+name] = key.Reveal()
			secrets[half+" key "+name+" in base64"] = []byte(base64.StdEncoding.EncodeToString(key.Reveal()))
		}
	}
	keys("at first")

	shown := map[string]string{}
	ask := func(at reach, method, target, body, token string) string {
		t.Helper()
		r := c.request(at, method, target, body)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		_, header, text := c.do(at, r)
		for _, values := range header {
			text += strings.Join(values, "\n")
		}
		shown[method+" "+target] = text
		return text
	}
	// secrets come in
	form := func(secret string) {
		r := c.request(arm, http.MethodPost, "/"+c.start.TenantID+"/oauth2/token", url.Values{"grant_type": {"client_credentials"},
			"client_id": {c.start.ClientID}, "client_secret": {secret}, "resource": {"https://batch.core.windows.net/"}}.Encode())
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		_, _, text := c.do(arm, r)
		if secret == wrong {
			shown["refused token"] = text
		}
	}
	form(string(c.start.ClientSecret.Reveal()))
	form(wrong)
	pool := `{"id":"p","vmSize":"standard_d2_v3","userAccounts":[{"name":"alice","password":"` + password + `"}],"startTask":{"commandLine":"true","userIdentity":{"username":"alice"}},` +
		`"virtualMachineConfiguration":{"imageReference":{"publisher":"Debian","offer":"debian-12","sku":"12"},"nodeAgentSKUId":"batch.node.debian 12"}}`
	ask(batch, "POST", "/pools"+batchVersion, pool, c.batch)
	ask(batch, "POST", "/pools"+batchVersion, strings.Replace(pool, `"vmSize":"standard_d2_v3"`, `"vmSize":"none"`, 1), c.batch)
	ask(batch, "POST", "/pools"+batchVersion, pool[:len(pool)-1], c.batch)
	ask(arm, "POST", acct+"/regenerateKeys"+old, `{"keyName":"Primary"}`, c.arm)
	delete(shown, "POST "+acct+"/regenerateKeys"+old) // shows them, as does listKeys
	keys("after regeneration")
	r := c.request(batch, http.MethodGet, "/pools"+batchVersion, "")
	sign(r, c.start.AccountName, secrets["primary key after regeneration"], time.Now())
	signature := r.Header.Get("Authorization")
	secrets["signature"] = []byte(signature[strings.IndexByte(signature, ':')+1:])
	if status, _, text := c.do(batch, r); status != http.StatusOK || !strings.Contains(text, "alice") {
		t.Fatal(status, text)
	}
	// and nothing comes out
	ask(batch, "GET", "/pools"+batchVersion, "", c.batch)
	ask(batch, "GET", "/pools/p"+batchVersion, "", c.batch)
	ask(batch, "GET", "/pools"+batchVersion, "", c.arm) // refused
	ask(arm, "GET", acct+old, "", c.arm)
	ask(arm, "GET", "/subscriptions/"+c.start.SubscriptionID+"/providers/Microsoft.Batch/batchAccounts"+old, "", c.arm)
	ask(arm, "GET", "/subscriptions/"+c.start.SubscriptionID+"/resourceGroups/"+c.start.ResourceGroup+"/resources?api-version=2021-04-01", "", c.arm)
	ask(arm, "GET", "/subscriptions/"+c.start.SubscriptionID+"/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01", "", c.arm)
	ask(arm, "GET", "/msgraph/v1.0/servicePrincipals", "", c.graph)
	ask(arm, "GET", "/millpond/v1/images", "", c.arm)
	ask(arm, "GET", "/"+c.start.TenantID+"/discovery/keys", "", "")
	ask(arm, "GET", "/nothing?sig="+password, "", c.arm)

	files, err := filepath.Glob(c.folder.path("millpond.db*"))
	must(t, err)
	if len(files) < 2 {
		t.Errorf("the store's files: %v", files)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		must(t, err)
		shown[filepath.Base(file)] = string(raw)
	}
	shown["the log"] = c.logged.String()
	if !strings.Contains(shown["the log"], "operation=CreatePool") {
		t.Errorf("the log tells of no request: %s", shown["the log"])
	}
	for where, text := range shown {
		for what, secret := range secrets {
			if len(secret) < 16 {
				t.Errorf("%s: %q is too short to be looked for", what, secret)
			}
			if strings.Contains(text, string(secret)) && !strings.Contains(where, "sig=") {
				t.Errorf("%s shows the %s", where, what)
			}
		}
	}
}
