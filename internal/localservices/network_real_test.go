//go:build real

package localservices

import (
	"strings"
	"testing"
)

// TestNetworkDeploys deploys infra/network.yaml into a bare VPC of the local AWS,
// but for the rule at the brokers, which that AWS does not know
// (AWS::EC2::SecurityGroupIngress).
func TestNetworkDeploys(t *testing.T) {
	t.Parallel()
	if err := Install(t.Context(), nil, PartAWS, PartSAM); err != nil {
		t.Fatal(err)
	}
	aws, err := StartAWS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := aws.Remove(); err != nil {
			t.Error(err)
		}
	})
	if err := samDeploy(t.Context(), aws.Endpoint, "network", "internal/localservices/testdata/vpc.yaml", map[string]string{"Addresses": "10.0.0.0/16"}); err != nil {
		t.Fatal(err)
	}
	outputs, err := samOutputs(t.Context(), aws.Endpoint, "network")
	if err != nil {
		t.Fatal(err)
	}
	if outputs["SubnetIds"] != outputs["Subnet"] || !strings.HasPrefix(outputs["SecurityGroupIds"], "sg-") {
		t.Errorf("outputs %v", outputs)
	}
}
