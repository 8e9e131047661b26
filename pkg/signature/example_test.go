package signature_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/homing-hooks/homing/pkg/signature"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func ExampleSigner_Sign() {
	secret, _ := signature.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	signer, _ := signature.NewSigner([]webhook.Secret{secret})
	header, _ := signer.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	fmt.Println(header)
	// Output: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=
}

func ExampleVerifier_Verify() {
	verifier, _ := signature.NewVerifier("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	h := http.Header{}
	h.Set(signature.HeaderID, "msg_p5jXN8AQM9LWM0D4loKWxJek")
	h.Set(signature.HeaderTimestamp, "1614265330")
	h.Set(signature.HeaderSignature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	body := []byte(`{"test": 2432232314}`)
	fmt.Println(verifier.Verify(h, body, time.Unix(1614265340, 0)))
	fmt.Println(verifier.Verify(h, body, time.Unix(1614269340, 0)))
	// Output:
	// <nil>
	// signature: verify: timestamp too old
}
