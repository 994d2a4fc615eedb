package migrations_test

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	_ "github.com/jackc/pgx/v5/stdlib" // driver
	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // driver

	"github.com/claviger/claviger/migrations"
	"github.com/claviger/claviger/testenv"
)

const (
	sqlPostgresColumns = `select table_name || '.' || column_name || case is_nullable when 'YES' then ' null' else '' end
		from information_schema.columns
		where table_schema = 'public' and table_name not like 'goose%' order by 1`

	sqlSQLiteColumns = `select t.name || '.' || c.name || case when c."notnull" = 0 and c.pk = 0 then ' null' else '' end
		from sqlite_schema t join pragma_table_info(t.name) c
		where t.type = 'table' and t.name not like 'goose%' and t.name not like 'sqlite%' order by 1`
)

func TestBothDialectsHaveTheSameTablesAndColumns(t *testing.T) {
	t.Parallel()
	lite, post := openSQLite(t), openPostgres(t)
	up(t, migrations.SQLite, lite)
	up(t, migrations.Postgres, post)
	want, got := columns(t, post, sqlPostgresColumns), columns(t, lite, sqlSQLiteColumns)
	if len(want) < 60 {
		t.Errorf("only %d columns: %v", len(want), want)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("columns (-postgres +sqlite):\n%s", d)
	}
}

func TestBothDialectsHaveTheSameFiles(t *testing.T) {
	t.Parallel()
	lite, post := openSQLite(t), openPostgres(t)
	a, b := status(t, migrations.SQLite, lite), status(t, migrations.Postgres, post)
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("steps (-sqlite +postgres):\n%s", d)
	}
	for _, s := range a {
		if s.Applied {
			t.Errorf("step %d is applied to an empty database", s.Version)
		}
	}
}

func TestCheckTellsWhetherTheSchemaIsCurrent(t *testing.T) {
	t.Parallel()
	for _, dialect := range []migrations.Dialect{migrations.SQLite, migrations.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			t.Parallel()
			db := openSQLite
			if dialect == migrations.Postgres {
				db = openPostgres
			}
			d := db(t)
			if err := migrations.Check(t.Context(), dialect, d); !errors.Is(err, migrations.ErrNotCurrent) {
				t.Errorf("Check of an empty database: %v", err)
			}
			up(t, dialect, d)
			up(t, dialect, d) // safe to repeat
			if err := migrations.Check(t.Context(), dialect, d); err != nil {
				t.Errorf("Check: %v", err)
			}
			for _, s := range status(t, dialect, d) {
				if !s.Applied {
					t.Errorf("step %d is not applied", s.Version)
				}
			}
			if _, err := d.ExecContext(t.Context(), `update goose_db_version set version_id = 9999 where version_id = 1`); err != nil {
				t.Fatal(err)
			}
			if err := migrations.Check(t.Context(), dialect, d); !errors.Is(err, migrations.ErrNotCurrent) {
				t.Errorf("Check of a newer database: %v", err)
			}
		})
	}
}

func TestTwoNodesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	db := openPostgres(t)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if err := migrations.Up(context.Background(), migrations.Postgres, db); err != nil {
				t.Errorf("Up: %v", err)
			}
		})
	}
	wait.Wait()
}

func TestRecordsOfBeforeGetTheirGeneration(t *testing.T) {
	t.Parallel()
	for dialect, c := range map[migrations.Dialect]struct {
		goose goose.Dialect
		db    *sql.DB
	}{
		migrations.SQLite:   {goose.DialectSQLite3, openSQLite(t)},
		migrations.Postgres: {goose.DialectPostgres, openPostgres(t)},
	} {
		p, err := goose.NewProvider(c.goose, c.db, os.DirFS(string(dialect)), goose.WithDisableGlobalRegistry(true))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.UpTo(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		want := map[string]int64{"000000": 0, "00000007": 7, "000102AFff": 0x102af, "7fffffff00": 0x7fffffff}
		for value := range want {
			b, _ := hex.DecodeString(value)
			if _, err := c.db.ExecContext(t.Context(), `insert into record (domain, kind, key, revision, created, value)
				values ('d', 'k', $1, 1, 0, $2)`, value, b); err != nil {
				t.Fatal(err)
			}
		}
		up(t, dialect, c.db)
		for value, want := range want {
			var got int64
			if err := c.db.QueryRowContext(t.Context(), `select generation from record where key = $1`, value).Scan(&got); err != nil || got != want {
				t.Errorf("%s: a record of %s has generation %d, want %d: %v", dialect, value, got, want, err)
			}
		}
	}
}

func up(t *testing.T, d migrations.Dialect, db *sql.DB) {
	t.Helper()
	if err := migrations.Up(t.Context(), d, db); err != nil {
		t.Fatal(err)
	}
}

func status(t *testing.T, d migrations.Dialect, db *sql.DB) []migrations.Step {
	t.Helper()
	list, err := migrations.Status(t.Context(), d, db)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func columns(t *testing.T, db *sql.DB, text string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

func openSQLite(t *testing.T) *sql.DB {
	t.Helper()
	return openDB(t, "sqlite", filepath.Join(t.TempDir(), "store.db"))
}

func openPostgres(t *testing.T) *sql.DB {
	t.Helper()
	return openDB(t, "pgx", testenv.Postgres(t))
}

func openDB(t *testing.T, driver, name string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
