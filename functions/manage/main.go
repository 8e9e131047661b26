// Command manage is the function manage as a process of its own, for Knative or beside the others over RabbitMQ.
package main

import (
	"os"

	"github.com/homing-hooks/homing/functions/internal/host"
	"github.com/homing-hooks/homing/pkg/config"
)

func main() { os.Exit(host.Main(config.FunctionManage, host.Manage)) }
