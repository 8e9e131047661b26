package config

import "time"

// embeddedTick is the time between ticks in embedded mode: what `homing delivery retry` asks for goes out with the next
// one, and a question to one's own Postgres every few seconds costs nothing.
const embeddedTick = 5 * time.Second

// Embed gives an embedded process the private database that was started for it, and its encryption keys, and lets it
// tick more often unless HOMING_TICK says otherwise. The mode stays [ModeEmbedded]. Errors: keys that cannot be read.
func (c *Config) Embed(databaseURL, keys string) error {
	c.database = databaseURL
	if !c.IsSet("HOMING_TICK") {
		c.Retry.Tick = embeddedTick
	}
	return c.Security.EncryptionKeys.UnmarshalText([]byte(keys))
}

// Database is the URL of the Postgres to use, with its password: DATABASE_URL, or that of [Config.Embed].
func (c *Config) Database() string {
	if c.database != "" {
		return c.database
	}
	return c.Services.DatabaseURL.Reveal()
}
