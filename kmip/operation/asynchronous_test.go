package operation_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/operation"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/wire"
	"github.com/claviger/claviger/store"
)

const (
	pending  = kmip.ResultStatusOperationPending
	demanded = kmip.AsynchronousIndicatorMandatory
	allowed  = kmip.AsynchronousIndicatorOptional
)

// submit sends items to be processed asynchronously.
func (s *server) submit(v kmip.Version, i kmip.AsynchronousIndicator, items ...payload.RequestItem) []payload.ResponseItem {
	s.t.Helper()
	return s.message(&payload.Request{Version: v, AsynchronousIndicator: i, Items: items}).Items
}

// correlation sends an item that must be pending.
func (s *server) correlation(v kmip.Version, i kmip.AsynchronousIndicator, item payload.RequestItem) []byte {
	s.t.Helper()
	r := s.submit(v, i, item)[0]
	if r.Status != pending || len(r.AsynchronousCorrelationValue) == 0 || r.Payload != nil {
		s.t.Fatalf("KMIP %s: %s %s (%s), want Operation Pending", v, r.Status, r.Reason, r.Message)
	}
	return r.AsynchronousCorrelationValue
}

func (s *server) poll(v kmip.Version, c []byte) payload.ResponseItem {
	s.t.Helper()
	return s.try(v, kmip.OperationPoll, &payload.PollRequest{AsynchronousCorrelationValue: c})
}

// work processes requests until none of them is pending any more.
func (s *server) work(v kmip.Version, correlations ...[]byte) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() {
		s.ops.Work(ctx)
		close(done)
	}()
	for _, c := range correlations {
		for s.poll(v, c).Status == pending {
		}
	}
	cancel()
	<-done
}

// process asks for a request to be processed now.
func (s *server) process(v kmip.Version, c []byte) payload.ResponseItem {
	s.t.Helper()
	return s.try(v, kmip.OperationProcess, &payload.ProcessRequest{AsynchronousCorrelationValue: c})
}

func (s *server) outstanding(v kmip.Version, r *payload.QueryAsynchronousRequestsRequest) []payload.AsynchronousRequest {
	s.t.Helper()
	return one[payload.QueryAsynchronousRequestsResponse](s, v, kmip.OperationQueryAsynchronousRequests, r).AsynchronousRequest
}

func pairItem() payload.RequestItem {
	return batch(kmip.OperationCreateKeyPair, &payload.CreateKeyPairRequest{
		CommonAttributes:     template(algorithm(kmip.CryptographicAlgorithmECDSA), length(256)),
		PrivateKeyAttributes: template(mask(kmip.CryptographicUsageMaskSign)), PublicKeyAttributes: template(mask(kmip.CryptographicUsageMaskVerify)),
	})
}

// What takes long is processed later where the client allows it, in all versions;
// the answer to Poll is the one that the operation would have had.
func TestSlowOperationsAreProcessedLater(t *testing.T) {
	inEvery(t, kmip.V10, func(t *testing.T, s *server, v kmip.Version) {
		s, _ = s.client("array")
		c := s.correlation(v, allowed, pairItem())
		if r := s.poll(v, c); r.Status != pending || r.Operation != kmip.OperationPoll || !bytes.Equal(r.AsynchronousCorrelationValue, c) {
			t.Errorf("Poll before it is processed: %+v", r)
		}
		s.work(v, c)
		r := s.poll(v, c)
		if r.Status != ok || r.Operation != kmip.OperationCreateKeyPair {
			t.Fatalf("Poll: %+v", r)
		}
		pair := r.Payload.(*payload.CreateKeyPairResponse)
		if got := s.links(pair.PrivateKeyUniqueIdentifier)[kmip.LinkTypePublicKeyLink]; len(got) != 1 || got[0] != pair.PublicKeyUniqueIdentifier {
			t.Errorf("public keys %v, want %s", got, pair.PublicKeyUniqueIdentifier)
		}
		// What does not take long is not put off.
		if r := s.submit(v, allowed, createItem("at once"))[0]; r.Status != ok {
			t.Errorf("Create where waiting is allowed: %s", r.Status)
		}
		if r := s.submit(v, kmip.AsynchronousIndicatorProhibited, pairItem())[0]; r.Status != ok {
			t.Errorf("Create Key Pair where waiting is not allowed: %s", r.Status)
		}
	})
}

// From KMIP 2.0 a client can demand it of each item; Poll and its like answer at
// once all the same.
func TestMandatoryMakesEveryItemWait(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		s, _ = s.client("array")
		uid := s.create(v, items(aes(name("k")))...)
		list := s.submit(v, demanded, createItem("later"), getItem(uid), getItem("nothing"), activateItem(uid), batch(kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(uid)}))
		var correlations [][]byte
		for i, r := range list {
			if r.Status != pending || r.UniqueBatchItemID != nil && r.UniqueBatchItemID[0] != byte(i+1) {
				t.Errorf("item %d: %+v", i, r)
			}
			correlations = append(correlations, r.AsynchronousCorrelationValue)
		}
		if v >= kmip.V21 {
			waiting := s.outstanding(v, &payload.QueryAsynchronousRequestsRequest{})
			if len(waiting) != 5 || waiting[0].ProcessingStage != kmip.ProcessingStageSubmitted {
				t.Errorf("outstanding: %+v", waiting)
			}
			of := s.outstanding(v, &payload.QueryAsynchronousRequestsRequest{Operations: &payload.Operations{Operation: []kmip.Operation{kmip.OperationGet}}})
			these := s.outstanding(v, &payload.QueryAsynchronousRequestsRequest{AsynchronousCorrelationValues: &payload.AsynchronousCorrelationValues{AsynchronousCorrelationValue: correlations[3:4]}})
			if len(of) != 2 || len(these) != 1 || these[0].Operation != kmip.OperationActivate {
				t.Errorf("outstanding of Get: %+v; of one value: %+v", of, these)
			}
		}
		s.work(v, correlations...)
		want := []kmip.ResultStatus{ok, ok, failed, ok, ok}
		for i, c := range correlations {
			if r := s.poll(v, c); r.Status != want[i] {
				t.Errorf("item %d: %s %s (%s), want %s", i, r.Status, r.Reason, r.Message, want[i])
			} else if i == 2 && (r.Reason != kmip.ResultReasonObjectNotFound || r.Operation != kmip.OperationGet) {
				t.Errorf("item %d: %s of %s", i, r.Reason, r.Operation)
			}
		}
		if got := s.state(uid); got != kmip.StateActive {
			t.Errorf("state %s after Activate", got)
		}
		if v >= kmip.V21 {
			if rest := s.outstanding(v, &payload.QueryAsynchronousRequestsRequest{}); len(rest) != 0 {
				t.Errorf("outstanding after all were polled: %+v", rest)
			}
		}
		if r := s.submit(v, demanded, batch(kmip.OperationPoll, &payload.PollRequest{AsynchronousCorrelationValue: correlations[0]}))[0]; r.Status != ok || r.Operation != kmip.OperationCreate {
			t.Errorf("Poll where waiting is demanded: %+v", r)
		}
	})
}

// Process makes a request one that was processed at once (2.1).
func TestProcess(t *testing.T) {
	inEvery(t, kmip.V21, func(t *testing.T, s *server, v kmip.Version) {
		s, _ = s.client("array")
		c := s.correlation(v, demanded, createItem("k"))
		if r := s.process(v, c); r.Status != ok {
			t.Fatalf("Process: %s %s (%s)", r.Status, r.Reason, r.Message)
		}
		if r := s.poll(v, c); r.Status != ok || r.Operation != kmip.OperationCreate {
			t.Errorf("Poll: %+v", r)
		}
		if r := s.process(v, c); r.Status != failed || r.Reason != kmip.ResultReasonDuplicateProcessRequest {
			t.Errorf("Process once more: %s %s", r.Status, r.Reason)
		}
		if r := s.process(v, []byte("nothing")); r.Reason != kmip.ResultReasonInvalidAsynchronousCorrelationValue {
			t.Errorf("Process of nothing: %s %s", r.Status, r.Reason)
		}
		// One that fails has been processed as well.
		c = s.correlation(v, demanded, getItem("nothing"))
		if r := s.process(v, c); r.Status != ok {
			t.Errorf("Process of what fails: %+v", r)
		}
		if r := s.poll(v, c); r.Status != failed || r.Reason != kmip.ResultReasonObjectNotFound {
			t.Errorf("Poll: %+v", r)
		}
	})
}

// A request that nobody has begun with can be cancelled; the result tells what
// came of it.
func TestCancel(t *testing.T) {
	inEvery(t, kmip.V10, func(t *testing.T, s *server, v kmip.Version) {
		s, _ = s.client("array")
		cancel := func(c []byte) kmip.CancellationResult {
			r := one[payload.CancelResponse](s, v, kmip.OperationCancel, &payload.CancelRequest{AsynchronousCorrelationValue: c})
			if !bytes.Equal(r.AsynchronousCorrelationValue, c) {
				t.Errorf("Cancel answers for %x, was asked for %x", r.AsynchronousCorrelationValue, c)
			}
			return r.CancellationResult
		}
		c := s.correlation(v, allowed, pairItem())
		for range 2 {
			if got := cancel(c); got != kmip.CancellationResultCanceled {
				t.Errorf("Cancel: %s", got)
			}
		}
		if r := s.poll(v, c); r.Status != failed || r.Reason != kmip.ResultReasonOperationCanceledByRequester {
			t.Errorf("Poll of what was cancelled: %s %s", r.Status, r.Reason)
		}
		if got := cancel([]byte("nothing")); got != kmip.CancellationResultUnavailable {
			t.Errorf("Cancel of nothing: %s", got)
		}
		done := s.correlation(v, allowed, pairItem())
		s.work(v, done)
		if got := cancel(done); got != kmip.CancellationResultCompleted {
			t.Errorf("Cancel of what was completed: %s", got)
		}
		if found := one[payload.LocateResponse](s, v, kmip.OperationLocate, &payload.LocateRequest{}); len(found.UniqueIdentifier) != 2 {
			t.Errorf("%d objects, want those of one pair", len(found.UniqueIdentifier))
		}
		broken := batch(kmip.OperationCreateKeyPair, &payload.CreateKeyPairRequest{CommonAttributes: template(algorithm(kmip.CryptographicAlgorithmRSA), length(7))})
		c = s.correlation(v, allowed, broken)
		s.work(v, c)
		if got := cancel(c); got != kmip.CancellationResultFailed {
			t.Errorf("Cancel of what failed: %s", got)
		}
	})
}

// A client that polls in another version gets the answer that it can read.
func TestPollInAnotherVersion(t *testing.T) {
	s := newServer(t)
	s, _ = s.client("array")
	uid := s.create(kmip.V21, items(aes(name("k"), kmip.Boolean(kmip.TagQuantumSafe, true)))...)
	for _, made := range since(kmip.V20) {
		attrs := s.correlation(made, demanded, batch(kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(uid)}))
		absent := s.correlation(made, demanded, getItem("nothing"))
		log := s.correlation(made, demanded, batch(kmip.OperationLog, &payload.LogRequest{LogMessage: "m"}))
		s.work(made, attrs, absent, log)
		for _, v := range kmip.Versions {
			r := s.poll(v, attrs)
			if r.Status != ok || r.Operation != kmip.OperationGetAttributes {
				t.Errorf("made in %s, polled in %s: %+v", made, v, r)
				continue
			}
			a := r.Payload.(*payload.GetAttributesResponse).Attributes.Attributes
			if a.Has(kmip.TagQuantumSafe) != (v >= kmip.V20) || !a.Has(kmip.TagName) {
				t.Errorf("made in %s, polled in %s: %v", made, v, a.IDs())
			}
			want := kmip.ResultReasonObjectNotFound
			if v < kmip.V20 {
				want = kmip.ResultReasonItemNotFound
			}
			if r := s.poll(v, absent); r.Status != failed || r.Reason != want {
				t.Errorf("made in %s, polled in %s: %s %s, want %s", made, v, r.Status, r.Reason, want)
			}
			if r := s.poll(v, log); r.Status != ok {
				t.Errorf("made in %s, polled in %s: %+v", made, v, r)
			}
		}
	}
}

// Requests survive the node that took them: another one on the same store
// processes them.
func TestAsynchronousRequestsSurvive(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		mine, p := s.client("array")
		c := mine.correlation(v, demanded, createItem("k"))
		other := s.otherNode(s.svc.Store, p)
		other.work(v, c)
		r := mine.poll(v, c)
		if r.Status != ok {
			t.Fatalf("Poll: %+v", r)
		}
		if got := mine.attributes(v, r.Payload.(*payload.CreateResponse).UniqueIdentifier).Names(); len(got) != 1 || got[0] != "k" {
			t.Errorf("names %q", got)
		}
	})
}

// otherNode is another server on the same store, as a principal sees it.
func (s *server) otherNode(st store.Store, p custody.Principal) *server {
	svc := *s.svc
	svc.Service = custody.New(custody.Config{
		Store: st, Sealer: s.svc.Ring, Log: slog.New(slog.DiscardHandler), Now: s.svc.Clock.Now,
		EncodeTTLV: func(i kmip.Item) []byte { return wire.Append(nil, i) },
		DecodeTTLV: func(b []byte) (kmip.Item, error) { return wire.Parse(b, wire.DefaultLimits()) },
	})
	node := &server{t: s.t, svc: &svc, ops: operation.New(operation.Server{Custody: svc.Service, Now: s.svc.Clock.Now, Form: formOf, Messages: messages{}})}
	return node.as(p, nil)
}

// When somebody changes an object while a request on it is being processed, it is
// processed again, on the object as it is then.
func TestProcessingThatMeetsAConflict(t *testing.T) {
	s := newServer(t)
	mine, p := s.client("array")
	uid := s.create(kmip.V21, items(aes())...)
	c := mine.correlation(kmip.V21, demanded, batch(kmip.OperationReKey, &payload.ReKeyRequest{UniqueIdentifier: ref(uid)}))
	node := s.otherNode(&race{Store: s.svc.Store, before: func() {
		one[payload.AddAttributeResponse](s, kmip.V21, kmip.OperationAddAttribute, &payload.AddAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: attribute(kmip.Text(kmip.TagContactInformation, "meanwhile"))})
	}}, p)
	node.work(kmip.V21, c)
	r := mine.poll(kmip.V21, c)
	if r.Status != ok {
		t.Fatalf("%s (%s)", r.Reason, r.Message)
	}
	fresh := r.Payload.(*payload.ReKeyResponse).UniqueIdentifier
	if got := s.attributes(kmip.V21, fresh).Text(kmip.TagContactInformation); got != "meanwhile" {
		t.Errorf("the replacement has Contact Information %q", got)
	}
	if got := s.links(uid)[kmip.LinkTypeReplacementObjectLink]; len(got) != 1 || got[0] != fresh {
		t.Errorf("replacements %v, want %s", got, fresh)
	}
}

// What others have done meanwhile counts: an object that is gone, a name that is
// taken, a client that is revoked.
func TestAsynchronousRequestsMeetWhatIsThereThen(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		mine, _ := s.client("array")
		uid := s.create(v, items(aes())...)
		c := mine.correlation(v, demanded, getItem(uid))
		n := mine.correlation(v, demanded, createItem("k"))
		s.destroy(uid)
		s.create(v, items(aes(name("k")))...)
		mine.work(v, c, n)
		if r := mine.poll(v, c); r.Status != failed || r.Reason != kmip.ResultReasonObjectDestroyed {
			t.Errorf("Get of what was destroyed meanwhile: %s %s", r.Status, r.Reason)
		}
		if r := mine.poll(v, n); r.Status != failed || r.Reason != kmip.ResultReasonNonUniqueNameAttribute {
			t.Errorf("Create with a name that was taken meanwhile: %s %s", r.Status, r.Reason)
		}
		c = mine.correlation(v, demanded, createItem("z"))
		if err := s.svc.RevokeClient(context.Background(), s.svc.Administrator("default"), "array"); err != nil {
			t.Fatal(err)
		}
		mine.work(v, c)
		if r := mine.poll(v, c); r.Status != failed || r.Reason != kmip.ResultReasonAuthenticationNotSuccessful {
			t.Errorf("the request of a client that was revoked: %s %s", r.Status, r.Reason)
		}
		found := one[payload.LocateResponse](s, v, kmip.OperationLocate, &payload.LocateRequest{Attributes: payload.AttributeList{Attributes: template(name("z")).Attributes}})
		if len(found.UniqueIdentifier) != 0 {
			t.Error("it was done nevertheless")
		}
	})
}

// The requests of one client are nobody else's business.
func TestAsynchronousRequestsAreTheClients(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		mine, _ := s.client("one")
		other, _ := s.client("two")
		c := mine.correlation(v, demanded, createItem("k"))
		if r := other.poll(v, c); r.Reason != kmip.ResultReasonInvalidAsynchronousCorrelationValue {
			t.Errorf("Poll of another's request: %s %s", r.Status, r.Reason)
		}
		if got := one[payload.CancelResponse](other, v, kmip.OperationCancel, &payload.CancelRequest{AsynchronousCorrelationValue: c}).CancellationResult; got != kmip.CancellationResultUnavailable {
			t.Errorf("Cancel of another's request: %s", got)
		}
		if v >= kmip.V21 {
			if got := other.outstanding(v, &payload.QueryAsynchronousRequestsRequest{}); len(got) != 0 {
				t.Errorf("another's requests: %+v", got)
			}
			if r := other.process(v, c); r.Reason != kmip.ResultReasonInvalidAsynchronousCorrelationValue {
				t.Errorf("Process of another's request: %s %s", r.Status, r.Reason)
			}
		}
	})
}

// Results are forgotten after a while, and unknown values have the reason of the
// version.
func TestPollOfWhatIsUnknown(t *testing.T) {
	inEvery(t, kmip.V10, func(t *testing.T, s *server, v kmip.Version) {
		want := kmip.ResultReasonItemNotFound
		if v >= kmip.V20 {
			want = kmip.ResultReasonInvalidAsynchronousCorrelationValue
		}
		for what, c := range map[string][]byte{"no such value": []byte("0123456789abcdef"), "a long one": make([]byte, 200), "an empty one": {}} {
			if r := s.poll(v, c); r.Status != failed || r.Reason != want {
				t.Errorf("%s: %s %s, want %s", what, r.Status, r.Reason, want)
			}
		}
	})
}

// A request that waits keeps what only its version says of it.
func TestWaitingRequestsKeepWhatTheySay(t *testing.T) {
	s := newServer(t)
	s, _ = s.client("array")
	key := s.register(kmip.V14, symmetric(kmip.CryptographicAlgorithmAES, innerKey))
	c := s.correlation(kmip.V30, demanded, batch(kmip.OperationCreateSplitKey,
		splitting(kmip.SplitKeyMethodPolynomialSharingGF28, key, 2, 2, kmip.Enumeration(kmip.TagSplitKeyPolynomial, kmip.SplitKeyPolynomialPolynomial283))))
	kek := s.register(kmip.V14, symmetric(kmip.CryptographicAlgorithmAES, kekMaterial), s.now(), mask(kmip.CryptographicUsageMaskWrapKey))
	spec := wrapSpec(kmip.WrappingMethodEncrypt, information(kmip.TagEncryptionKeyInformation, kek), kmip.Enumeration(kmip.TagAttributeReference, uint32(kmip.TagCryptographicUsageMask)))
	w := s.correlation(kmip.V21, demanded, batch(kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(key), KeyWrappingSpecification: spec}))
	s.work(kmip.V30, c, w)
	r := s.poll(kmip.V30, c)
	if r.Status != ok {
		t.Fatalf("%+v", r)
	}
	part := r.Payload.(*payload.CreateSplitKeyResponse).UniqueIdentifier[0]
	if got := s.attributes(kmip.V30, part).Uint32(kmip.TagSplitKeyPolynomial); got != uint32(kmip.SplitKeyPolynomialPolynomial283) {
		t.Errorf("polynomial %d, another was asked for", got)
	}
	if r := s.poll(kmip.V21, w); r.Status != ok || r.Payload.(*payload.GetResponse).Object.Key.Wrapping == nil {
		t.Errorf("%+v", r)
	}
}

// What stands in a batch that can be undone is not put off, nor is anything by a
// ticket. A server that processes nothing says so where it must not answer.
func TestWhatIsNotPutOff(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		r := s.message(&payload.Request{
			Version: v, AsynchronousIndicator: demanded, ErrorContinuation: kmip.BatchErrorContinuationOptionUndo, Items: []payload.RequestItem{createItem("a"), createItem("b")},
		}).Items
		if r[0].Status != failed || r[0].Reason != kmip.ResultReasonFeatureNotSupported {
			t.Errorf("a batch that can be undone: %+v", r)
		}
		none := *s
		none.ops = operation.New(operation.Server{Custody: s.svc.Service, Now: s.svc.Clock.Now, Form: formOf})
		if r := none.submit(v, demanded, createItem("a"))[0]; r.Status != failed || r.Reason != kmip.ResultReasonFeatureNotSupported {
			t.Errorf("a server without asynchronous processing: %s %s", r.Status, r.Reason)
		}
		if r := none.submit(v, allowed, pairItem())[0]; r.Status != ok {
			t.Errorf("and where it is only allowed: %s %s", r.Status, r.Reason)
		}
	})
}

// A result that nobody asks for is kept for a day.
func TestResultsAreForgotten(t *testing.T) {
	s := newServer(t)
	s, _ = s.client("array")
	c := s.correlation(kmip.V21, demanded, createItem("k"))
	s.process(kmip.V21, c)
	s.svc.Clock.Advance(25 * time.Hour)
	if r := s.poll(kmip.V21, c); r.Status != failed || r.Reason != kmip.ResultReasonInvalidAsynchronousCorrelationValue {
		t.Errorf("Poll a day later: %s %s", r.Status, r.Reason)
	}
}

// A request that a node has begun and not ended is another's after two minutes.
func TestProcessingIsTakenOverFromANodeThatWentAway(t *testing.T) {
	s := newServer(t)
	mine, p := s.client("array")
	c := mine.correlation(kmip.V21, demanded, createItem("k"))
	other := s.otherNode(s.svc.Store, p)
	claim := func(who string, node *server, want int) {
		t.Helper()
		claimed, err := node.svc.Claim(context.Background())
		if err != nil || len(claimed) != want {
			t.Fatalf("%s: %d requests, %v; want %d", who, len(claimed), err, want)
		}
	}
	claim("the node that goes away", s, 1)
	claim("another node at once", other, 0)
	s.svc.Clock.Advance(2*time.Minute + time.Second)
	claim("another node after two minutes", other, 1)
	s.svc.Clock.Advance(2*time.Minute + time.Second)
	other.work(kmip.V21, c)
	if r := mine.poll(kmip.V21, c); r.Status != ok {
		t.Errorf("Poll: %+v", r)
	}
}
