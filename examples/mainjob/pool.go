package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/batch/azbatch"
)

// poolContent is the pool: eight nodes of the image version, whose start task must succeed before a node takes tasks.
func (j *mainJob) poolContent() azbatch.CreatePoolContent {
	return azbatch.CreatePoolContent{
		ID: ptr(poolID), VMSize: ptr(vmSize),
		VirtualMachineConfiguration: &azbatch.VirtualMachineConfiguration{
			ImageReference: &azbatch.ImageReference{VirtualMachineImageID: &j.versionID}, NodeAgentSKUID: &j.image.agentSKU,
		},
		TargetDedicatedNodes: ptr(int32(nodes)), TaskSlotsPerNode: ptr(int32(slots)), ResizeTimeout: ptr("PT15M"),
		StartTask: &azbatch.StartTask{CommandLine: &j.payload.startTask, WaitForSuccess: ptr(true), MaxTaskRetryCount: ptr(int32(0))},
	}
}

// refusedPool shows that the shared key cannot make a pool of a gallery image, as it cannot in Azure.
func (j *mainJob) refusedPool(ctx context.Context) error {
	return j.do1("the same pool with the shared key", func() (string, error) {
		status, code, message, err := j.createPoolWithKey(ctx, j.poolContent())
		if err != nil {
			return "", err
		}
		if status != http.StatusForbidden || code != "AuthenticationFailed" || !strings.Contains(message, "SharedKey is not allowed") {
			return "", fmt.Errorf("expected 403 AuthenticationFailed, got %d %s: %s", status, code, message)
		}
		return fmt.Sprintf("refused: %d %s", status, code), nil
	})
}

// pool creates the pool with the token and watches its nodes become idle.
func (j *mainJob) pool(ctx context.Context) error {
	return j.do1("pool of 8 nodes", func() (string, error) {
		began := time.Now()
		if _, err := j.batch.CreatePool(ctx, j.poolContent(), nil); err != nil {
			return "", err
		}
		idle := 0
		err := until(ctx, 50*time.Millisecond, 5*time.Minute, "all nodes idle", func() (bool, error) {
			if j.times.steady == 0 {
				pool, err := j.batch.GetPool(ctx, poolID, nil)
				if err != nil {
					return false, err
				}
				if val(pool.AllocationState) == azbatch.AllocationStateSteady {
					j.times.steady = time.Since(began)
				}
				for _, e := range pool.ResizeErrors {
					return false, fmt.Errorf("resize: %s: %s", val(e.Code), val(e.Message))
				}
			}
			var err error
			if idle, err = j.idleNodes(ctx); err != nil {
				return false, err
			}
			if idle > 0 && j.times.firstIdle == 0 {
				j.times.firstIdle = time.Since(began)
			}
			return idle == nodes && j.times.steady != 0, nil
		})
		j.times.allIdle = time.Since(began)
		if err != nil {
			return "", fmt.Errorf("%w (%d of %d nodes idle)", err, idle, nodes)
		}
		return fmt.Sprintf("steady after %.2f s, first node idle after %.2f s", j.times.steady.Seconds(), j.times.firstIdle.Seconds()), nil
	})
}

// idleNodes counts idle nodes and fails on states a node does not leave by itself.
func (j *mainJob) idleNodes(ctx context.Context) (int, error) {
	all, err := j.listNodes(ctx)
	idle := 0
	for _, n := range all {
		switch state := val(n.State); state {
		case azbatch.NodeStateIdle:
			idle++
		case azbatch.NodeStateStartTaskFailed, azbatch.NodeStateUnusable:
			why := string(state)
			if n.StartTaskInfo != nil && n.StartTaskInfo.FailureInfo != nil {
				why += ": " + val(n.StartTaskInfo.FailureInfo.Message)
			}
			for _, e := range n.Errors {
				why += ": " + val(e.Code) + " " + val(e.Message)
			}
			return idle, fmt.Errorf("node %s is %s", val(n.ID), why)
		default: // on its way
		}
	}
	return idle, err
}

func (j *mainJob) listNodes(ctx context.Context) ([]azbatch.Node, error) {
	var all []azbatch.Node
	for pager := j.batch.NewListNodesPager(poolID, nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Value...)
	}
	return all, nil
}

// nodeUser adds a user to a node and enters it, so that whoever reads the table can do so too.
func (j *mainJob) nodeUser(ctx context.Context) error {
	return j.do1("user added to a node, entered by SSH", func() (string, error) {
		all, err := j.listNodes(ctx)
		if err != nil {
			return "", err
		}
		if len(all) == 0 {
			return "", errors.New("the pool has no nodes")
		}
		id := val(all[0].ID)
		if _, err := j.batch.CreateNodeUser(ctx, poolID, id, azbatch.CreateNodeUserContent{
			Name: ptr(adminUser), IsAdmin: ptr(true), SSHPublicKey: &j.key.public, ExpiryTime: ptr(time.Now().Add(24 * time.Hour)),
		}, nil); err != nil {
			return "", err
		}
		login, err := j.batch.GetNodeRemoteLoginSettings(ctx, poolID, id, nil)
		if err != nil {
			return "", err
		}
		host, port := val(login.RemoteLoginIPAddress), val(login.RemoteLoginPort)
		client, err := j.key.dial(ctx, fmt.Sprintf("%s:%d", host, port))
		if err != nil {
			return "", err
		}
		defer client.Close()
		name, err := remote(ctx, client, "hostname", nil)
		j.nodeSSH = fmt.Sprintf("ssh -i %s -p %d -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null %s@%s", j.key.path, port, adminUser, host)
		return name, err
	})
}
