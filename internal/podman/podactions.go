package podman

import (
	"context"
	"errors"
	"time"

	"github.com/containers/podman/v5/pkg/bindings/pods"
	"github.com/containers/podman/v5/pkg/domain/entities/types"
)

// RemovePod removes a pod in which nothing runs, and its infra container. It
// never removes a volume.
func (c *Client) RemovePod(ctx context.Context, id string) error {
	return c.tell(ctx, "remove pod "+short(id), c.limit, func(ctx context.Context) error {
		report, err := pods.Remove(ctx, id, new(pods.RemoveOptions).WithForce(false))
		if err == nil && report != nil {
			err = report.Err
		}
		return err
	})
}

// StopPod stops what still runs of a pod, its infra container among it. Podman's
// own question for that does nothing where one container has stopped already
// (304, "Degraded").
func (c *Client) StopPod(ctx context.Context, id string) error {
	report, err := ask(ctx, c, "inspect pod "+short(id), c.limit, func(ctx context.Context) (*types.PodInspectReport, error) {
		return pods.Inspect(ctx, id, nil)
	})
	if err != nil {
		return err
	}
	if report.InspectPodData == nil {
		return c.nonsense(errors.New("a pod without anything"))
	}
	var all error
	for _, member := range report.Containers {
		all = errors.Join(all, c.Stop(ctx, member.ID, podStop))
	}
	return all
}

// podStop is for the infra container, which does nothing but wait.
const podStop = 10 * time.Second
