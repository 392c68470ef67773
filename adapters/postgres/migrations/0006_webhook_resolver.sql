-- When the webhook of an open conflict is asked next; `infinity` where nobody is asked any more. Whoever asks moves it
-- ahead first, so that no other process asks meanwhile, and a crash lets it come due again.
ALTER TABLE conflict_log
  ADD COLUMN webhook_due_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  ADD COLUMN webhook_attempts INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN webhook_error TEXT;
CREATE INDEX idx_conflict_log_webhook ON conflict_log (webhook_due_at) WHERE status = 'open' AND resolution = 'webhook';
