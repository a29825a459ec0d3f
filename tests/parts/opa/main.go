// Command opa is the Open Policy Agent, with the versions of our lock file.
package main

import (
	"errors"
	"os"

	"github.com/open-policy-agent/opa/cmd"
)

func main() {
	err := cmd.RootCommand.Execute()
	if exit, ok := errors.AsType[*cmd.ExitError](err); ok {
		os.Exit(exit.Exit)
	}
	if err != nil {
		os.Exit(1)
	}
}
