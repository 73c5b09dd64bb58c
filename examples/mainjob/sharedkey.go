package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

const batchVersion = "2024-07-01.20.0"

// createPoolWithKey sends the call that creates a pool signed with the account's shared key, which the SDK for Go does not
// offer, and gives the status and the error's code and sentence.
func (a *azure) createPoolWithKey(ctx context.Context, pool any) (status int, code, message string, err error) {
	body, err := json.Marshal(pool)
	if err != nil {
		return 0, "", "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.admin.BatchHTTPURL+"/pools?api-version="+batchVersion, bytes.NewReader(body))
	if err != nil {
		return 0, "", "", err
	}
	req.Header.Set("Content-Type", "application/json; odata=minimalmetadata")
	req.Header.Set("ocp-date", time.Now().UTC().Format(http.TimeFormat))
	if err := sign(req, a.admin.AccountName, a.admin.AccountKey, len(body)); err != nil {
		return 0, "", "", err
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return 0, "", "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, "", "", err
	}
	var problem struct {
		Code    string `json:"code"`
		Message struct {
			Value string `json:"value"`
		} `json:"message"`
		Values []struct{ Key, Value string } `json:"values"`
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &problem); err != nil {
			return resp.StatusCode, "", "", fmt.Errorf("%w: %s", err, text)
		}
	}
	message = problem.Message.Value
	for _, v := range problem.Values {
		message += " " + v.Key + ": " + v.Value
	}
	return resp.StatusCode, problem.Code, message, nil
}

// sign adds the shared-key signature of a POST: the method, eleven headers by name, the ocp- headers, the account and the
// path as sent, and the query.
func sign(req *http.Request, account, key string, length int) error {
	secret, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return err
	}
	text := req.Method + "\n\n\n" + strconv.Itoa(length) + "\n\n" + req.Header.Get("Content-Type") + "\n\n\n\n\n\n\n" +
		"ocp-date:" + req.Header.Get("ocp-date") + "\n" +
		"/" + account + req.URL.EscapedPath() + "\napi-version:" + req.URL.Query().Get("api-version")
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	req.Header.Set("Authorization", "SharedKey "+account+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return nil
}
