package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/client"
)

func kmipLocate() *cli.Command {
	return overKMIP(&cli.Command{
		Name: "locate", Usage: "search objects; prints one Unique Identifier a line",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "name", Usage: "`NAME` of the object"},
			&cli.StringFlag{Name: "group", Usage: "Object `GROUP`"},
			&cli.StringFlag{Name: "type", Usage: "Object `TYPE`"},
			&cli.StringFlag{Name: "state", Usage: "`STATE`, such as Active"},
			&cli.StringFlag{Name: "algorithm", Usage: "Cryptographic `ALGORITHM`"},
			&cli.IntFlag{Name: "limit", Usage: "at most `N`; 0 leaves it to the server"},
		},
	}, func(c *cli.Context, k *client.Client) error {
		attrs, err := searched(c)
		if err != nil {
			return err
		}
		uids, err := k.Locate(c.Context, attrs, int32(c.Int("limit"))) //nolint:gosec // the server checks it
		if err != nil {
			return err
		}
		if wantsJSON(c) {
			return printJSON(c, map[string][]string{"uids": append([]string{}, uids...)})
		}
		for _, uid := range uids {
			if err := printLine(c, "%s", printable(uid)); err != nil {
				return err
			}
		}
		return nil
	})
}

// searched reads the flags of locate.
func searched(c *cli.Context) (kmip.Attributes, error) {
	var attrs kmip.Attributes
	if n := c.String("name"); n != "" {
		attrs = append(attrs, kmip.NewAttribute(nameItem(n)))
	}
	if g := c.String("group"); g != "" {
		attrs = append(attrs, kmip.NewAttribute(kmip.Text(kmip.TagObjectGroup, g)))
	}
	for _, f := range []struct {
		flag string
		tag  kmip.Tag
	}{{"type", kmip.TagObjectType}, {"state", kmip.TagState}, {"algorithm", kmip.TagCryptographicAlgorithm}} {
		v, err := enumeration[uint32](c, f.flag, f.tag)
		if err != nil {
			return nil, err
		}
		if v != 0 {
			attrs = append(attrs, kmip.NewAttribute(kmip.Enumeration(f.tag, v)))
		}
	}
	return attrs, nil
}

func kmipAttributes() *cli.Command {
	return overKMIP(&cli.Command{Name: "attributes", Usage: "show the attributes of an object", ArgsUsage: "UID"},
		func(c *cli.Context, k *client.Client) error {
			attrs, err := k.GetAttributes(c.Context, c.Args().First())
			if err != nil {
				return err
			}
			list := make([]api.Attribute, 0, len(attrs))
			var rows [][]string
			for _, a := range attrs {
				list = append(list, api.Attribute{Name: a.String(), Index: a.Index, Value: api.Print(a.Value)})
				rows = append(rows, []string{a.String(), api.Print(a.Value)})
			}
			return printTable(c, map[string]any{"attributes": list}, []string{"attribute", "value"}, rows)
		})
}

func kmipQuery() *cli.Command {
	return overKMIP(&cli.Command{Name: "query", Usage: "show what a server can do"},
		func(c *cli.Context, k *client.Client) error {
			r, err := k.Query(c.Context, kmip.QueryFunctionQueryOperations, kmip.QueryFunctionQueryObjects, kmip.QueryFunctionQueryServerInformation)
			if err != nil {
				return err
			}
			answer := struct {
				Vendor     string   `json:"vendor"`
				Operations []string `json:"operations"`
				Objects    []string `json:"objects"`
				Server     string   `json:"server,omitempty"`
			}{Vendor: r.VendorIdentification, Operations: texts(r.Operation), Objects: texts(r.ObjectType)}
			if r.ServerInformation != nil && len(r.ServerInformation.Items) > 0 {
				answer.Server = api.Print(*r.ServerInformation)
			}
			return printTable(c, answer, []string{"question", "answer"}, [][]string{
				{"vendor", answer.Vendor},
				{"server", answer.Server},
				{"operations", strings.Join(answer.Operations, " ")},
				{"objects", strings.Join(answer.Objects, " ")},
			})
		})
}

func texts[T fmt.Stringer](list []T) []string {
	out := make([]string, len(list))
	for n, v := range list {
		out[n] = v.String()
	}
	return out
}

func kmipDiscover() *cli.Command {
	return overKMIP(&cli.Command{Name: "discover", Usage: "list the versions that a server speaks, its preference first"},
		func(c *cli.Context, k *client.Client) error {
			versions, err := k.DiscoverVersions(c.Context)
			if err != nil {
				return err
			}
			if wantsJSON(c) {
				return printJSON(c, map[string][]string{"versions": texts(versions)})
			}
			for _, v := range versions {
				if err := printLine(c, "%s", v); err != nil {
					return err
				}
			}
			return nil
		})
}
