// Package stackenv is the command env: it prints the settings of a deployed stack as the
// variables that the other commands read.
package stackenv

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
)

// New is the command env, in a group of the help.
func New(a *app.App, group string) *cobra.Command {
	var stack string
	c := &cobra.Command{
		Use:     "env --stack NAME",
		GroupID: group,
		Short:   "Print the settings of a deployed stack as variables",
		Long: `Env asks for the settings of the stack's discover function and prints them for a
shell: group, bucket, tables, brokers, and all that the functions were given. It
needs lambda:GetFunctionConfiguration, and writes nothing. Names of secrets are
printed, what is in them is not.

Brokers inside a VPC answer only from there: run what needs Kafka on a host in it
(an instance with Session Manager, CloudShell with a VPC environment, a container in
its subnets), or connect by VPN. What reads the archive alone runs anywhere.`,
		Example: "  eval \"$(bifrost env --stack bifrost)\"\n  bifrost env --stack bifrost --region eu-west-1 > " +
			"bifrost.env",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return printVariables(c.Context(), a, stack) },
	}
	c.Flags().StringVar(&stack, "stack", "", "name of the stack")
	return c
}

func printVariables(ctx context.Context, a *app.App, stack string) error {
	if stack == "" {
		return usage.Errorf("--stack is missing: want the name of the stack, as aws cloudformation list-stacks has it")
	}
	account, err := awsconfig.LoadDefaultConfig(ctx, a.AWSOptions()...)
	if err != nil {
		return fmt.Errorf("load the AWS configuration: %w", err)
	}
	if account.Region == "" {
		return usage.Errorf("no region: give --region, or set AWS_REGION")
	}
	name := stack + "-discover"
	answer, err := lambda.NewFromConfig(account).GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{
		FunctionName: &name,
	})
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		return fmt.Errorf("there is no function %s in region %s of this account: is %s the name of the stack? "+
			"aws cloudformation list-stacks lists them", name, account.Region, stack)
	}
	if err != nil {
		return fmt.Errorf("ask for the settings of function %s: %w", name, err)
	}
	variables := map[string]string{"AWS_REGION": account.Region}
	if answer.Environment != nil {
		for variable, value := range answer.Environment.Variables {
			if strings.HasPrefix(variable, "BIFROST_") && variable != "BIFROST_ARCHIVE_FUNCTION" && value != "" {
				variables[variable] = value
			}
		}
	}
	if machine := machineOf(aws.ToString(answer.FunctionArn), stack); machine != "" {
		variables[settings.JobMachine] = machine
	}
	for _, variable := range slices.Sorted(maps.Keys(variables)) {
		if _, err := fmt.Fprintf(a.Out, "export %s=%s\n", variable, quote(variables[variable])); err != nil {
			return err
		}
	}
	return nil
}

// machineOf is the state machine of jobs beside a function of the stack; infra/jobs.yaml names it.
func machineOf(function, stack string) string {
	parsed, err := arn.Parse(function)
	if err != nil {
		return ""
	}
	parsed.Service, parsed.Resource = "states", "stateMachine:"+stack+"-job"
	return parsed.String()
}

// quote makes one word of a POSIX shell of any text.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
