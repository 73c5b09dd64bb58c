package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/batch/azbatch"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v7"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
)

// azure holds the SDK's clients. All of them authenticate with a token of the service principal.
type azure struct {
	admin     admin
	http      *http.Client
	resources *armresources.Client
	vms       *armcompute.VirtualMachinesClient
	snapshots *armcompute.SnapshotsClient
	images    *armcompute.ImagesClient
	galleries *armcompute.GalleriesClient
	defs      *armcompute.GalleryImagesClient
	versions  *armcompute.GalleryImageVersionsClient
	batch     *azbatch.Client
}

// connect makes the clients. Three things differ from a program for the public cloud: the cloud.Configuration with the
// server's addresses, the transport that trusts its certificate authority, and no instance discovery, which would ask the
// public cloud whether it knows this one.
func connect(a admin) (*azure, error) {
	pem, err := os.ReadFile(a.CAFile)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", a.CAFile)
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 16,
	}}
	options := azcore.ClientOptions{
		Transport: client,
		Cloud: cloud.Configuration{
			ActiveDirectoryAuthorityHost: a.LoginURL,
			Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
				cloud.ResourceManager: {Endpoint: a.ARMURL, Audience: "https://management.azure.com"},
			},
		},
	}
	cred, err := azidentity.NewClientSecretCredential(a.TenantID, a.ClientID, a.ClientSecret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	if err != nil {
		return nil, err
	}
	// The providers are registered already; asking would only cost a request.
	armOptions := &arm.ClientOptions{ClientOptions: options, DisableRPRegistration: true}
	compute, err := armcompute.NewClientFactory(a.SubscriptionID, cred, armOptions)
	if err != nil {
		return nil, err
	}
	resources, err := armresources.NewClient(a.SubscriptionID, cred, armOptions)
	if err != nil {
		return nil, err
	}
	batch, err := azbatch.NewClient(a.BatchURL, cred, &azbatch.ClientOptions{ClientOptions: options})
	if err != nil {
		return nil, err
	}
	return &azure{
		admin: a, http: client, resources: resources, batch: batch,
		vms: compute.NewVirtualMachinesClient(), snapshots: compute.NewSnapshotsClient(), images: compute.NewImagesClient(),
		galleries: compute.NewGalleriesClient(), defs: compute.NewGalleryImagesClient(), versions: compute.NewGalleryImageVersionsClient(),
	}, nil
}

// account reads the Batch account as the Resource Manager knows it.
func (a *azure) account(ctx context.Context) (armresources.ClientGetByIDResponse, error) {
	id := fmt.Sprintf("/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Batch/batchAccounts/%s",
		a.admin.SubscriptionID, a.admin.ResourceGroup, a.admin.AccountName)
	return a.resources.GetByID(ctx, id, "2024-07-01", nil)
}

// wait polls a long-running operation to its end, as often as the service asks for and at least every second.
func wait[T any](ctx context.Context, poller *runtime.Poller[T], err error) (T, error) {
	if err != nil {
		var none T
		return none, err
	}
	return poller.PollUntilDone(ctx, &runtime.PollUntilDoneOptions{Frequency: time.Second})
}

// until asks again and again until done says so; asking is a client's only way to learn of a state.
func until(ctx context.Context, every, limit time.Duration, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("%s: not within %s", what, limit)
			}
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// ptr is what the SDK's optional fields want.
func ptr[T any](v T) *T { return &v }

// val reads an optional field; a missing one is the zero value.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
