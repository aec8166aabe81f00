// A schema registry.

package localservices

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// A Registry is Apicurio Registry, which keeps schemas in topics of a Kafka cluster and
// speaks Confluent's API.
type Registry struct {
	URL     string // of Confluent's API
	process *process
}

// installRegistry unpacks an archive that has everything a registry needs.
func installRegistry(ctx context.Context, p Part) error {
	dir, err := p.folder()
	if err != nil {
		return err
	}
	const name = "apicurio-registry-app"
	err = command(ctx, nil, "mvn", "--batch-mode", "--quiet", "dependency:copy",
		"-Dartifact=io.apicurio:"+name+":"+p.version+":tar.gz:all", "-DoutputDirectory="+dir)
	if err != nil {
		return err
	}
	return command(ctx, nil, "tar", "-xzf", filepath.Join(dir, name+"-"+p.version+"-all.tar.gz"), "-C", dir)
}

// StartRegistry installs what it needs and starts a registry on a cluster. It returns
// when the registry has read its topics.
func StartRegistry(ctx context.Context, brokers string) (*Registry, error) {
	if err := Install(ctx, nil, PartRegistry); err != nil {
		return nil, err
	}
	jars, err := PartRegistry.folder()
	if err != nil {
		return nil, err
	}
	dir, err := runDir("registry")
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	r := &Registry{URL: fmt.Sprintf("http://%s/apis/ccompat/v7", address(port))}
	r.process, err = launch{name: "registry", dir: dir,
		args: []string{
			"java", "-Xmx512m", "-jar", filepath.Join(jars, "apicurio-registry-app-"+registryVersion+"-runner.jar"),
		},
		env: append(os.Environ(), "QUARKUS_HTTP_HOST=127.0.0.1", "QUARKUS_HTTP_PORT="+strconv.Itoa(port),
			"APICURIO_STORAGE_KIND=kafkasql", "APICURIO_KAFKASQL_BOOTSTRAP_SERVERS="+brokers),
	}.start()
	if err != nil {
		return nil, err
	}
	err = r.process.waitFor(ctx, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL+"/subjects", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("it answers %s", answer.Status)
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, r.Remove())
	}
	return r, nil
}

// Remove ends the registry. What it knows is in its topics.
func (r *Registry) Remove() error {
	if err := r.process.stop(syscall.SIGTERM); err != nil {
		return err
	}
	return os.RemoveAll(r.process.dir)
}
