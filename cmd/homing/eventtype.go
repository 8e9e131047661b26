package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/client"
)

func eventTypeCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "event-type", Short: "Manage the catalogue of event types, and their schemas"}
	cmd.AddCommand(eventTypeCreate(a), eventTypeList(a), eventTypeGet(a), eventTypeUpdate(a),
		eventTypeArchive(a, "archive", "Mark it as out of use; its events are accepted as before", true),
		eventTypeArchive(a, "unarchive", "Take the mark away again", false),
		eventTypeDelete(a))
	return cmd
}

// eventTypeFlags are what can be set of an event type.
type eventTypeFlags struct {
	description, schema, example, policy string
	changed                              func(flag string) bool
}

func (e *eventTypeFlags) addTo(cmd *cobra.Command) {
	f := cmd.Flags()
	e.changed = f.Changed
	f.StringVar(&e.description, "description", "", "what such an event means, for people")
	f.StringVar(&e.schema, "schema", "", "the JSON Schema of the data, or @FILE, or - for standard input; null: none")
	f.StringVar(&e.example, "example", "", "data of that kind, or @FILE, or - for standard input; null: none")
	f.StringVar(&e.policy, "schema-policy", "", "what becomes of data that do not satisfy the schema: off, flag, reject, "+
		"or tenant for what the tenant's says (default: tenant)")
	must(cmd.RegisterFlagCompletionFunc("schema-policy", cobra.FixedCompletions(
		[]string{"off", "flag", "reject", "tenant"}, cobra.ShellCompDirectiveNoFileComp)))
}

// fields is what the flags that were given say.
func (e *eventTypeFlags) fields(a *app, in io.Reader) (fields client.EventTypeFields, err error) {
	if e.schema == "-" && e.example == "-" || (e.schema == "-" || e.example == "-") && a.keyFile == "-" {
		return fields, usage("only one of --schema, --example and --key-file can read standard input")
	}
	if e.changed("description") {
		fields.Description = &e.description
	}
	if e.changed("schema-policy") {
		fields.SchemaPolicy = &e.policy
	}
	if e.changed("schema") {
		if fields.Schema, err = document("--schema", e.schema, in); err != nil {
			return fields, err
		}
	}
	if e.changed("example") {
		fields.Example, err = document("--example", e.example, in)
	}
	return fields, err
}

// document reads the JSON that a flag names.
func document(flag, value string, in io.Reader) (json.RawMessage, error) {
	text, err := contents(flag, value, in)
	if err == nil && !json.Valid(text) {
		err = usage(flag + " must be JSON, or @FILE or - for JSON from elsewhere")
	}
	return text, err
}

// oneType wants one argument, the name of an event type.
func oneType(_ *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return errors.New("name one event type, such as order.paid; `homing event-type list` shows them")
	}
	return nil
}

func eventTypeCreate(a *app) *cobra.Command {
	var e eventTypeFlags
	cmd := &cobra.Command{
		Use: "create NAME", Aliases: []string{"add"}, Short: "Add an event type to the catalogue", Args: oneType,
		Long: `Adds an event type to the catalogue. With a schema, events of the type are held to it from now on, as its
policy says. Types need no entry to be sent.`,
		Example: `  homing event-type create order.paid --description "Money came." --example '{"order": 1}'
  homing event-type create order.paid --schema @order.paid.json --schema-policy reject
  generate-schema | homing event-type create order.paid --schema -`,
		RunE: a.calls(func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			f, err := e.fields(a, cmd.InOrStdin())
			if err != nil {
				return err
			}
			made, err := c.CreateEventType(ctx, client.CreateEventTypeInput{
				Name: args[0], Description: f.Description, Schema: f.Schema, Example: f.Example, SchemaPolicy: f.SchemaPolicy,
			})
			if err != nil {
				return err
			}
			return a.printEventType(cmd, made)
		}),
	}
	e.addTo(cmd)
	return cmd
}

func eventTypeList(a *app) *cobra.Command {
	var l listing
	var p client.ListEventTypesParams
	cmd := &cobra.Command{
		Use: "list", Short: "List the tenant's event types, by their names", Args: cobra.NoArgs,
		Example: "  homing event-type list --search order --archived",
		RunE: a.calls(func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
			p.Limit = l.page()
			columns := []string{"NAME", "SCHEMA", "POLICY", "ARCHIVED", "DESCRIPTION"}
			return list(a, cmd, &l, c.ListEventTypes(ctx, p), rows[client.EventType]{columns, func(e client.EventType) []string {
				schema := "no"
				if len(e.Schema) > 0 {
					schema = "yes"
				}
				return []string{safe(e.Name), schema, policyOf(e), clockTime(e.ArchivedAt), safe(e.Description)}
			}})
		}),
	}
	l.addTo(cmd, false)
	cmd.Flags().StringVar(&p.Search, "search", "", "only those whose name or description has this in it")
	cmd.Flags().BoolVar(&p.Archived, "archived", false, "also those that are out of use")
	return cmd
}

func policyOf(e client.EventType) string {
	if e.SchemaPolicy == "" {
		return "the tenant's"
	}
	return e.SchemaPolicy
}

func (a *app) printEventType(cmd *cobra.Command, e *client.EventType) error {
	return a.print(cmd, e, func(w io.Writer) error {
		t := newTable()
		for _, row := range [][2]string{
			{"event type", safe(e.Name)}, {"description", safe(e.Description)}, {"schema policy", policyOf(*e)},
			{"archived", clockTime(e.ArchivedAt)}, {"created", clockTime(e.CreatedAt)},
			{"version", strconv.FormatInt(e.Version, 10)}, {"example", safe(string(e.Example))},
			{"schema", safe(string(e.Schema))},
		} {
			if row[1] != "" {
				t.row(row[0], row[1])
			}
		}
		return t.write(w)
	})
}

func eventTypeGet(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "get NAME", Aliases: []string{"show"}, Short: "Show an event type with its schema and example",
		Args: oneType, ValidArgsFunction: a.eventTypeNames(),
		Example: `  homing event-type get order.paid -o json | jq .schema`,
		RunE: a.about("event-type", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			e, err := c.GetEventType(ctx, args[0])
			if err != nil {
				return err
			}
			return a.printEventType(cmd, e)
		}),
	}
}

func eventTypeUpdate(a *app) *cobra.Command {
	var e eventTypeFlags
	cmd := &cobra.Command{
		Use: "update NAME", Short: "Change an event type; what is not named stays as it is", Args: oneType,
		Example: `  homing event-type update order.paid --schema @order.paid.json --schema-policy flag
  homing event-type update order.paid --schema null`,
		ValidArgsFunction: a.eventTypeNames(),
	}
	e.addTo(cmd)
	options := ifVersion(cmd)
	cmd.RunE = a.about("event-type", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		fields, err := e.fields(a, cmd.InOrStdin())
		if err != nil {
			return err
		}
		changed, err := c.UpdateEventType(ctx, args[0], fields, options()...)
		if err != nil {
			return err
		}
		return a.printEventType(cmd, changed)
	})
	return cmd
}

func eventTypeArchive(a *app, verb, short string, archived bool) *cobra.Command {
	cmd := &cobra.Command{Use: verb + " NAME", Short: short, Args: oneType, ValidArgsFunction: a.eventTypeNames()}
	options := ifVersion(cmd)
	cmd.RunE = a.about("event-type", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		e, err := c.UpdateEventType(ctx, args[0], client.EventTypeFields{Archived: &archived}, options()...)
		if err != nil {
			return err
		}
		return a.print(cmd, e, line("event type %s is %sd", safe(e.Name), verb))
	})
	return cmd
}

func eventTypeDelete(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Remove it from the catalogue; its events are accepted as before", Args: oneType,
		ValidArgsFunction: a.eventTypeNames(),
	}
	options := ifVersion(cmd)
	cmd.RunE = a.about("event-type", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		e, err := c.DeleteEventType(ctx, args[0], options()...)
		if err != nil {
			return err
		}
		return a.print(cmd, e, line("event type %s is deleted", safe(e.Name)))
	})
	return cmd
}
