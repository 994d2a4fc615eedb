package payload

// LogRequest asks to log a message (§6.1.29).
type LogRequest struct {
	LogMessage string
}

// LogResponse is empty.
type LogResponse struct{}
