package templates

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/config"
)

// A variable that the template does not know cannot be set, and one that the code
// does not know does nothing.
func TestTemplateSetsWhatTheCodeReads(t *testing.T) {
	t.Parallel()
	template := load(t, "template.yaml")
	set := map[string]bool{}
	for _, from := range []any{template.Get("Globals", "Function"), template.Resources("")["DiscoverFunction"].Properties} {
		variables, _ := Get(from, "Environment", "Variables").(map[string]any)
		for name := range maps.Keys(variables) {
			set[name] = true
		}
	}
	for _, v := range config.Variables {
		if !set[v.Name] {
			t.Errorf("template.yaml does not set %s", v.Name)
		}
		delete(set, v.Name)
	}
	if len(set) > 0 {
		t.Errorf("template.yaml sets %v, which nobody reads", slices.Sorted(maps.Keys(set)))
	}
}

// In a VPC or not is one decision, for both functions and their roles.
func TestFunctionsJoinTheNetworkTogether(t *testing.T) {
	t.Parallel()
	template := load(t, "template.yaml")
	want := []any{"InVpc", map[string]any{
		"SubnetIds": map[string]any{"Ref": "SubnetIds"}, "SecurityGroupIds": map[string]any{"Ref": "SecurityGroupIds"},
	}, map[string]any{"Ref": "AWS::NoValue"}}
	if got := template.Get("Globals", "Function", "VpcConfig", "Fn::If"); !reflect.DeepEqual(got, want) {
		t.Errorf("VpcConfig %v", got)
	}
	for _, role := range []string{"DiscoverRole", "ArchiveRole"} {
		if !slices.ContainsFunc(statements(t, role), func(s statement) bool { return s.sid == "JoinNetwork" }) {
			t.Errorf("%s cannot join a network", role)
		}
	}
}

// No NAT: each service that the roles use inside of a VPC has an endpoint that
// can be made, and nothing else is.
func TestNetworkLeadsToWhatTheCodeCalls(t *testing.T) {
	t.Parallel()
	template := load(t, "infra/network.yaml")
	made := map[string]string{}
	for name, endpoint := range template.Resources("AWS::EC2::VPCEndpoint") {
		service, _ := endpoint.Get("ServiceName", "Fn::Sub").(string)
		made[service[strings.LastIndex(service, ".")+1:]] = endpoint.Get("VpcEndpointType").(string)
		if got := endpoint.Attributes["Condition"]; got != "Makes"+name {
			t.Errorf("the endpoint %s is made under %v", name, got)
		}
	}
	want := map[string]string{"s3": "Gateway", "dynamodb": "Gateway", "lambda": "Interface", "secretsmanager": "Interface"}
	if !maps.Equal(made, want) {
		t.Errorf("endpoints %v, want %v", made, want)
	}
	called := map[string]bool{}
	for _, path := range []string{"functions/discover", "functions/archive", "functions/job"} {
		for operation := range loadProgram(t, path).calls() {
			service, _, _ := strings.Cut(operation, ".")
			called[service] = true
		}
	}
	if !slices.Equal(slices.Sorted(maps.Keys(called)), slices.Sorted(maps.Keys(want))) {
		t.Errorf("the code calls %v", slices.Sorted(maps.Keys(called)))
	}
	for name, endpoint := range template.Resources("AWS::EC2::VPCEndpoint") {
		// Without private names the SDK goes on to the public addresses, to which there is no way.
		if private := endpoint.Get("PrivateDnsEnabled"); endpoint.Get("VpcEndpointType") == "Interface" && private != true {
			t.Errorf("the endpoint %s has no name that the SDK asks for: %v", name, private)
		}
	}
	let, _ := template.Resources("")["EndpointGroup"].Get("SecurityGroupIngress").([]any)
	ways := append(slices.Clone(let), any(template.Resources("")["BrokersLetFunctionsIn"].Properties))
	port := func(n int) any {
		return map[string]any{"Fn::Select": []any{n, map[string]any{"Fn::Split": []any{"-", ref("BrokerPorts")}}}}
	}
	for i, ports := range [][2]any{{443, 443}, {port(0), port(1)}} {
		way := ways[i]
		if fmt.Sprint(Get(way, "FromPort"), Get(way, "ToPort")) != fmt.Sprint(ports[0], ports[1]) ||
			fmt.Sprint(Get(way, "SourceSecurityGroupId")) != fmt.Sprint(ref("FunctionGroup")) {
			t.Errorf("the functions are let in by %v, want to ports %v", way, ports)
		}
	}
	if got := template.Get("Outputs", "SecurityGroupIds", "Value"); fmt.Sprint(got) != fmt.Sprint(ref("FunctionGroup")) {
		t.Errorf("the group of the functions is %v", got)
	}
	for name, group := range template.Resources("AWS::EC2::SecurityGroup") {
		if name == "FunctionGroup" && group.Get("SecurityGroupIngress") != nil {
			t.Error("somebody may connect to the functions")
		}
	}
}

// A gateway endpoint is nothing without a route table, whichever of the two it is.
func TestGatewaysNeedRoutes(t *testing.T) {
	t.Parallel()
	for parameters, refused := range map[string]bool{
		"":                       true,
		"S3Endpoint=false":       true,
		"DynamoDBEndpoint=false": true,
		"S3Endpoint=false DynamoDBEndpoint=false": false,
		"RouteTableIds=rtb-0a,rtb-0b":             false,
	} {
		s := stackOf{load(t, "infra/network.yaml"), map[string]string{"VpcId": "vpc-0a", "SubnetIds": "subnet-0a"}}
		for _, p := range strings.Fields(parameters) {
			name, value, _ := strings.Cut(p, "=")
			s.given[name] = value
		}
		if why := s.refusals(); len(why) > 0 != refused {
			t.Errorf("with %q: %v", parameters, why)
		}
	}
}
