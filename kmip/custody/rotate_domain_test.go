package custody_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/testenv/service"
)

// logBuffer keeps what is logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestARotationMovesRecordsToo(t *testing.T) {
	ctx := context.Background()
	s := service.With(t, service.Options{Hardware: true})
	client := func() *custody.Scope { return s.Client("default") }
	ticket, err := s.Login(ctx, client(), custody.LoginArgs{Count: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetDefaults(ctx, client(), []custody.ForObjects{{Types: []kmip.ObjectType{kmip.ObjectTypeSymmetricKey}, Attributes: attrs(kmip.Text(kmip.TagComment, "by default"))}}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetDomainProtection(ctx, s.Administrator(""), "default", true); err != nil {
		t.Fatal(err)
	}
	j := await(t, s, rotate(t, s, "default", "").ID, custody.JobDone)
	if j.Done != 3 || j.Left != 0 {
		t.Errorf("the job at its end: %+v, want 3 moved", j)
	}
	if got := generations(t, s, "default"); got != "1 gone, 2 envelope" {
		t.Errorf("generations: %s", got)
	}
	other := s.Another(t)
	list, err := other.Defaults(ctx, client())
	if err != nil || len(list) == 0 || list[0].Attributes.Text(kmip.TagComment) != "by default" {
		t.Errorf("defaults after the rotation: %+v, %v", list, err)
	}
	uid, err := other.Create(ctx, client(), kmip.ObjectTypeSymmetricKey, aes256())
	if err != nil {
		t.Fatal(err)
	}
	_, err = other.Get(ctx, client(), uid, custody.GetOptions{})
	wantKind(t, err, kmip.KindNotExtractable) // its keys live in hardware
	if _, _, err := other.AuthenticateTicket(ctx, client().Principal, ticket); err != nil && kmip.KindOf(err) != kmip.KindNotAuthenticated {
		t.Errorf("the ticket after the rotation: %v", err)
	}
	records, err := s.Store.Records(ctx, store.RecordQuery{Domain: "default", Kind: "ticket", Limit: 10})
	if err != nil || len(records) != 1 || records[0].Generation != 2 {
		t.Errorf("the ticket is kept as %+v, %v; want generation 2", records, err)
	}
}

func TestTheInstallationsOwnKeyIsRotated(t *testing.T) {
	ctx := context.Background()
	s := service.New(t)
	before, err := s.Authority(ctx)
	if err != nil {
		t.Fatal(err)
	}
	generation := func() uint32 {
		t.Helper()
		sealed, err := s.Store.Setting(ctx, "ca.key")
		if err != nil || len(sealed) < 4 {
			t.Fatalf("the sealed key of the authority: %d bytes, %v", len(sealed), err)
		}
		return binary.BigEndian.Uint32(sealed)
	}
	if g := generation(); g != 1 {
		t.Fatalf("the key of the authority is under generation %d", g)
	}
	j := await(t, s, rotate(t, s, custody.SystemDomain, "").ID, custody.JobDone)
	if j.Left != 0 || j.Detail != "" {
		t.Errorf("the job at its end: %+v", j)
	}
	if g := generation(); g != 2 {
		t.Errorf("the key of the authority is under generation %d after the rotation", g)
	}
	// The audit is authenticated under the old one, which stays.
	if got := generations(t, s, custody.SystemDomain); got != "1 envelope closed, 2 envelope" {
		t.Errorf("generations: %s", got)
	}
	after, err := s.Another(t).Authority(ctx)
	if err != nil || !after.Certificate.Equal(before.Certificate) {
		t.Errorf("the authority after the rotation: %v", err)
	}
	if now := jobNow(t, s.Another(t), j.ID); now.State != custody.JobDone {
		t.Errorf("the job, which is kept under that key itself: %+v", now)
	}
	await(t, s, rotate(t, s, custody.SystemDomain, seal.ModeDirect).ID, custody.JobDone)
	if got := generations(t, s, custody.SystemDomain); got != "1 envelope closed, 2 envelope closed, 3 direct" {
		t.Errorf("generations: %s", got)
	}
	if _, err := s.Another(t).Authority(ctx); err != nil {
		t.Errorf("the authority after a rotation into mode direct: %v", err)
	}
}

func TestARotationNamesWhatItCannotMove(t *testing.T) {
	ctx := context.Background()
	log := &logBuffer{}
	s := service.With(t, service.Options{Log: slog.NewTextHandler(log, nil)})
	uids := make([]string, 3)
	for i := range uids {
		uids[i] = create(t, s, s.Client("default"))
	}
	if _, err := s.Login(ctx, s.Client("default"), custody.LoginArgs{}); err != nil {
		t.Fatal(err)
	}
	damaged := damage(t, s, uids[1])
	records, err := s.Store.Records(ctx, store.RecordQuery{Domain: "default", Kind: "ticket", Limit: 1})
	if err != nil || len(records) != 1 {
		t.Fatalf("records: %v, %v", records, err)
	}
	r := records[0]
	r.Revision++
	r.Value = append([]byte{}, r.Value...)
	r.Value[len(r.Value)-1] ^= 1
	if err := s.Store.Commit(ctx, store.Change{UpdateRecords: []store.Record{r}}); err != nil {
		t.Fatal(err)
	}
	j := await(t, s, rotate(t, s, "default", "").ID, custody.JobDone)
	if j.Left != 2 || j.Done != 2 || !strings.Contains(j.Detail, "left: 2 objects or records") {
		t.Errorf("the job at its end: %+v, want 2 moved and 2 left", j)
	}
	if got := generations(t, s, "default"); got != "1 envelope closed, 2 envelope" {
		t.Errorf("generations: %s; what is under the old one must open", got)
	}
	if text := log.String(); !strings.Contains(text, uids[1]) || !strings.Contains(text, "a record does not authenticate") || strings.Contains(text, uids[0]) {
		t.Errorf("the log does not name what was left, and that only:\n%s", text)
	}
	material(t, s, uids[0])
	_, err = s.Get(ctx, s.Client("default"), uids[1], custody.GetOptions{})
	wantKind(t, err, kmip.KindIntegrity)
	gone := store.Ref{Domain: "default", UID: uids[1], Revision: damaged.Revision}
	if err := s.Store.Commit(ctx, store.Change{Delete: []store.Ref{gone}, DeleteRecords: []store.RecordRef{r.Ref()}}); err != nil {
		t.Fatal(err)
	}
	if j := await(t, s, rotate(t, s, "default", "").ID, custody.JobDone); j.Left != 0 {
		t.Errorf("the next job at its end: %+v", j)
	}
	if got := generations(t, s, "default"); got != "1 gone, 2 gone, 3 envelope" {
		t.Errorf("generations: %s", got)
	}
	material(t, s, uids[0])
	material(t, s, uids[2])
}

// damage changes the MAC of an object behind the back of the service.
func damage(t *testing.T, s *service.Service, uid string) store.Object {
	t.Helper()
	ctx := context.Background()
	o, err := s.Store.Object(ctx, "default", uid)
	if err != nil {
		t.Fatal(err)
	}
	o.MAC = append([]byte{}, o.MAC...)
	o.MAC[0] ^= 1
	if err := s.Store.Commit(ctx, store.Change{Delete: []store.Ref{{Domain: o.Domain, UID: o.UID, Revision: o.Revision}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Store.Commit(ctx, store.Change{Insert: []store.Object{o}}); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestClientsGoOnWhileADomainIsRotated(t *testing.T) {
	ctx := context.Background()
	s := service.New(t)
	var uids []string
	for range 20 {
		uids = append(uids, create(t, s, s.Client("default"), kmip.DateTime(kmip.TagActivationDate, s.Clock.Now())))
	}
	stop := make(chan struct{})
	var working sync.WaitGroup
	for i := range 2 {
		working.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				uid := uids[(n*2+i)%len(uids)]
				if err := s.SetAttribute(ctx, s.Client("default"), uid, kmip.NewAttribute(kmip.Text(kmip.TagComment, fmt.Sprint(n)))); err != nil {
					t.Errorf("set an attribute of %s: %v", uid, err)
				}
				if _, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, aes256()); err != nil {
					t.Errorf("create: %v", err)
				}
			}
		})
	}
	for _, mode := range []seal.Mode{"", seal.ModeDirect, seal.ModeEnvelope} {
		if j := await(t, s, rotate(t, s, "default", mode).ID, custody.JobDone); j.Left != 0 {
			t.Errorf("the job at its end: %+v", j)
		}
	}
	close(stop)
	working.Wait()
	if got := generations(t, s, "default"); got != "1 gone, 2 gone, 3 gone, 4 envelope" {
		t.Errorf("generations: %s", got)
	}
	for _, uid := range uids {
		material(t, s, uid)
	}
}

// awayOnce is a store that is away when objects are first moved.
type awayOnce struct {
	store.Store
	left atomic.Int32
}

func (a *awayOnce) Reseal(ctx context.Context, objects []store.Object) (int, error) {
	if a.left.Add(-1) >= 0 {
		return 0, store.ErrUnavailable
	}
	return a.Store.Reseal(ctx, objects)
}

func TestARotationWaitsForWhatIsAway(t *testing.T) {
	away := &awayOnce{}
	away.left.Store(1)
	s := service.With(t, service.Options{Store: func(below store.Store) store.Store { away.Store = below; return away }})
	uid, err := s.Create(t.Context(), s.Client("default"), kmip.ObjectTypeSymmetricKey, aes256())
	if err != nil {
		t.Fatal(err)
	}
	j := await(t, s, rotate(t, s, "default", "").ID, custody.JobDone)
	if j.Done != 1 || j.Left != 0 || j.Detail != "" {
		t.Errorf("the job at its end: %+v", j)
	}
	if away.left.Load() >= 0 {
		t.Error("the store was never away: this proves nothing")
	}
	if _, err := s.Get(t.Context(), s.Client("default"), uid, custody.GetOptions{}); err != nil {
		t.Error(err)
	}
}

// late is a store that answers once with what an object was.
type late struct {
	store.Store
	was atomic.Pointer[store.Object]
}

func (l *late) Object(ctx context.Context, domain, uid string) (store.Object, error) {
	if was := l.was.Swap(nil); was != nil {
		return *was, nil
	}
	return l.Store.Object(ctx, domain, uid)
}

func TestAReadThatIsOvertakenByARotationIsRepeated(t *testing.T) {
	ctx, below := t.Context(), &late{}
	s := service.With(t, service.Options{Store: func(b store.Store) store.Store { below.Store = b; return below }})
	uid, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, aes256())
	if err != nil {
		t.Fatal(err)
	}
	was, err := s.Store.Object(ctx, "default", uid)
	if err != nil {
		t.Fatal(err)
	}
	await(t, s, rotate(t, s, "default", "").ID, custody.JobDone)
	if err := s.Ring.Refresh(ctx); err != nil { // the old key is dropped
		t.Fatal(err)
	}
	below.was.Store(&was)
	if _, err := s.Get(ctx, s.Client("default"), uid, custody.GetOptions{}); err != nil {
		t.Errorf("Get: %v", err)
	}
	if below.was.Load() != nil {
		t.Error("the old record was never read: this proves nothing")
	}
}
