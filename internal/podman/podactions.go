package podman

import (
	"context"

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

// StopPod stops what still runs of a pod, its infra container among it.
func (c *Client) StopPod(ctx context.Context, id string) error {
	return c.tell(ctx, "stop pod "+short(id), c.limit, func(ctx context.Context) error {
		report, err := pods.Stop(ctx, id, new(pods.StopOptions).WithTimeout(10))
		return firstOf(report, err)
	})
}

func firstOf(report *types.PodStopReport, err error) error {
	if err == nil && report != nil && len(report.Errs) > 0 {
		err = report.Errs[0]
	}
	return err
}
