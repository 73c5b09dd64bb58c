package main

import (
	"context"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/batch/azbatch"
)

// mainJob carries what one step learns to the steps after it.
type mainJob struct {
	*azure
	*steps
	options

	server  *server
	dir     string
	payload payload
	key     keyPair

	image     base   // what the virtual machine starts from
	vmAddress string // where SSH reaches it
	diskID    string // its OS disk
	snapID    string
	imageID   string
	versionID string

	times   times
	nodeSSH string // command that enters a node
}

// times are measured from the call that creates the pool; allDone from the call that adds the tasks.
type times struct {
	steady, firstIdle, allIdle, allDone time.Duration
	failures                            int
}

const (
	poolID = "mainjob"
	jobID  = "mainjob"
	nodes  = 8
	slots  = 4
	vmSize = "Standard_D2_v3"
)

// do is the main job.
func (j *mainJob) do(ctx context.Context) error {
	var err error
	if j.key, err = newKeyPair(j.dir); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		j.baseImage, j.virtualMachine, j.software, j.capture, j.gallery, j.refusedPool, j.pool, j.tasks, j.outputs, j.nodeUser,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// base is a line of the service's list of images.
type base struct {
	publisher, offer, sku, version string
	agentSKU                       string
}

func (b base) String() string { return b.publisher + ":" + b.offer + ":" + b.sku }

// baseImage picks the base, and has it made now: it would be made at its first use, but then its time would be hidden in
// that of the virtual machine.
func (j *mainJob) baseImage(ctx context.Context) error {
	source := j.base
	wanted := func(b base) bool { return b.String() == "Debian:debian-12:12" }
	switch j.base {
	case "debootstrap":
		source = "debootstrap:bookworm"
		j.payload = povray()
	case "host":
		wanted = func(b base) bool { return b.publisher == "millpond" && b.offer == "host" }
	default:
		j.payload = povray()
	}
	if j.base == "host" {
		var err error
		if j.payload, err = gofmt(ctx); err != nil {
			return err
		}
	}
	if err := j.do1("account", func() (string, error) {
		got, err := j.account(ctx)
		if err != nil {
			return "", err
		}
		if j.image, err = j.supported(ctx, wanted); err != nil {
			return "", err
		}
		return fmt.Sprintf("%s in %s, base %s, node agent %s", val(got.Name), val(got.Location), j.image, j.image.agentSKU), nil
	}); err != nil {
		return err
	}
	bring := func() (string, error) {
		return source, j.server.run(ctx, "image", "import", j.image.String(), source)
	}
	if j.base == "debootstrap" {
		return j.download("base image", bring)
	}
	return j.do1("base image", bring)
}

// do1 is steps.do, which mainJob.do hides.
func (j *mainJob) do1(name string, step func() (string, error)) error { return j.steps.do(name, step) }

// supported finds an image in the service's list, and with it the agent SKU a pool must name.
func (j *mainJob) supported(ctx context.Context, wanted func(base) bool) (base, error) {
	for pager := j.batch.NewListSupportedImagesPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return base{}, err
		}
		for _, image := range page.Value {
			r := image.ImageReference
			b := base{publisher: val(r.Publisher), offer: val(r.Offer), sku: val(r.SKU), version: val(r.Version), agentSKU: val(image.NodeAgentSKUID)}
			if val(image.VerificationType) == azbatch.ImageVerificationTypeVerified && wanted(b) {
				return b, nil
			}
		}
	}
	return base{}, fmt.Errorf("the service offers no verified image for BASE=%s (millpond image list shows them all)", j.options.base)
}
