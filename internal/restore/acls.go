// How ACLs are restored.

package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/capture"
)

// aclText is an ACL in a line.
func aclText(a capture.ACL) string {
	return fmt.Sprintf("%s %s %s from %s on %s %s (%s)",
		a.Permission, a.Principal, a.Operation, a.Host, a.ResourceType, a.ResourceName, a.Pattern)
}

const lacksACL = "the target lacks it"

// plannedACLs says which ACLs of the capture the target lacks.
func (r *Restorer) plannedACLs(ctx context.Context) ([]ACLReport, error) {
	client, err := newClient(r.Client)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return r.compareACLs(ctx, client)
}

func (r *Restorer) compareACLs(ctx context.Context, client *kgo.Client) ([]ACLReport, error) {
	there, err := targetACLs(ctx, client)
	reports := make([]ACLReport, 0, len(r.Snapshot.Configuration.ACLs))
	for _, a := range r.Snapshot.Configuration.ACLs {
		report := ACLReport{ACL: aclText(a), Stands: slices.Contains(there, a)}
		switch {
		case errors.Is(err, kerr.SecurityDisabled):
			report.Reason = "the target has no authorizer, and keeps no ACLs"
		case errors.Is(err, kerr.ClusterAuthorizationFailed):
			report.Reason = "these credentials may not see the ACLs of the target: " +
				"allow them Describe and Alter on the cluster"
		case err != nil:
			return nil, err
		case !report.Stands:
			report.Reason = lacksACL
		}
		reports = append(reports, report)
	}
	return reports, nil
}

// createACLs makes those that the target lacks, and says which are there then.
func (r *Restorer) createACLs(ctx context.Context) ([]ACLReport, error) {
	client, err := newClient(r.Client)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	reports, err := r.compareACLs(ctx, client)
	if err != nil {
		return nil, err
	}
	var lacking []int
	for i, report := range reports {
		if !report.Stands && report.Reason == lacksACL {
			lacking = append(lacking, i)
		}
	}
	for some := range slices.Chunk(lacking, aclsAtOnce) {
		request := kmsg.NewPtrCreateACLsRequest()
		asked := make([]int, 0, len(some))
		for _, i := range some {
			creation, err := creationOf(r.Snapshot.Configuration.ACLs[i])
			if err != nil {
				reports[i].Reason = err.Error()
				continue
			}
			request.Creations, asked = append(request.Creations, creation), append(asked, i)
		}
		answer, err := request.RequestWith(ctx, client)
		if err != nil {
			return nil, fmt.Errorf("create ACLs in the target: %w", err)
		}
		if len(answer.Results) != len(asked) {
			return nil, fmt.Errorf("create ACLs in the target: %d answers for %d of them",
				len(answer.Results), len(asked))
		}
		for n, result := range answer.Results {
			reports[asked[n]].Reason = ""
			if err := kerr.ErrorForCode(result.ErrorCode); err != nil {
				if result.ErrorMessage != nil && *result.ErrorMessage != "" {
					err = fmt.Errorf("%w (%s)", err, *result.ErrorMessage)
				}
				reports[asked[n]].Reason = err.Error()
			}
			reports[asked[n]].Stands = reports[asked[n]].Reason == ""
		}
	}
	return reports, nil
}

// aclsAtOnce bounds a request that makes ACLs.
const aclsAtOnce = 500

func creationOf(a capture.ACL) (c kmsg.CreateACLsRequestCreation, err error) {
	c = kmsg.NewCreateACLsRequestCreation()
	c.ResourceName, c.Principal, c.Host = a.ResourceName, a.Principal, a.Host
	var errs [4]error
	c.ResourceType, errs[0] = kmsg.ParseACLResourceType(a.ResourceType)
	c.ResourcePatternType, errs[1] = kmsg.ParseACLResourcePatternType(a.Pattern)
	c.Operation, errs[2] = kmsg.ParseACLOperation(a.Operation)
	c.PermissionType, errs[3] = kmsg.ParseACLPermissionType(a.Permission)
	return c, errors.Join(errs[:]...)
}

// targetACLs are those that the target has.
func targetACLs(ctx context.Context, client *kgo.Client) ([]capture.ACL, error) {
	request := kmsg.NewPtrDescribeACLsRequest()
	request.ResourceType, request.ResourcePatternType = kmsg.ACLResourceTypeAny, kmsg.ACLResourcePatternTypeAny
	request.Operation, request.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
	answer, err := request.RequestWith(ctx, client)
	if err == nil {
		err = kerr.ErrorForCode(answer.ErrorCode)
	}
	if err != nil {
		return nil, fmt.Errorf("ask for the ACLs of the target: %w", err)
	}
	var acls []capture.ACL
	for _, resource := range answer.Resources {
		for _, a := range resource.ACLs {
			acls = append(acls, capture.ACL{
				ResourceType: resource.ResourceType.String(), ResourceName: resource.ResourceName,
				Pattern: resource.ResourcePatternType.String(), Principal: a.Principal, Host: a.Host,
				Operation: a.Operation.String(), Permission: a.PermissionType.String(),
			})
		}
	}
	return acls, nil
}
