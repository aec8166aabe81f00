package stackenv

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
)

// answering is the address of a Lambda that knows one function.
func answering(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/functions/mine-discover/configuration") {
			w.Header().Set("X-Amzn-Errortype", "ResourceNotFoundException")
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"Message":"Function not found"}`))
			return
		}
		_, _ = w.Write([]byte(`{"FunctionArn":"arn:aws-cn:lambda:cn-north-1:123456789012:function:mine-discover",` +
			`"Environment":{"Variables":{"BIFROST_GROUP":"it's; $(touch x) ''","BIFROST_BUCKET":"b",` +
			`"BIFROST_KAFKA_SECRET":"","BIFROST_ARCHIVE_FUNCTION":"mine-archive","OTHER":"x"}}}`))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func runEnv(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	t.Setenv("AWS_REGION", "cn-north-1")
	t.Setenv("AWS_ENDPOINT_URL", answering(t))
	var out bytes.Buffer
	a := app.New(strings.NewReader(""), &out, &out)
	c := New(a, "")
	c.GroupID = ""
	a.AddFlags(c.PersistentFlags())
	c.SetArgs(arguments)
	c.SilenceErrors, c.SilenceUsage = true, true
	err := c.Execute()
	return out.String(), err
}

// A shell that evaluates the output has the settings, whatever is in them.
func TestVariablesOfAStack(t *testing.T) {
	out, err := runEnv(t, "--stack", "mine")
	if err != nil {
		t.Fatal(err)
	}
	shell, err := exec.Command("sh", "-c", out+`printf '%s|%s|%s|%s|%s' "$BIFROST_GROUP" "$BIFROST_BUCKET" `+
		`"$BIFROST_JOB_MACHINE" "$AWS_REGION" "${OTHER-none}${BIFROST_ARCHIVE_FUNCTION-none}"`).Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out, "BIFROST_KAFKA_SECRET") {
		t.Errorf("what is empty is a setting: %s", out)
	}
	want := "it's; $(touch x) ''|b|arn:aws-cn:states:cn-north-1:123456789012:stateMachine:mine-job|cn-north-1|nonenone"
	if string(shell) != want {
		t.Errorf("a shell has %s, want %s", shell, want)
	}
}

func TestNoSuchStack(t *testing.T) {
	if out, err := runEnv(t, "--stack", "other"); err == nil || !strings.Contains(err.Error(),
		"is other the name of the stack?") || out != "" {
		t.Errorf("a stack that is not there: %q, %v", out, err)
	}
	if _, err := runEnv(t); err == nil || !strings.Contains(err.Error(), "--stack is missing") {
		t.Errorf("without a name: %v", err)
	}
}
