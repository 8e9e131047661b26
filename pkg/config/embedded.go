package config

// Embed gives an embedded process the private database that was started for it, and its encryption keys. The mode stays
// [ModeEmbedded]. Errors: keys that cannot be read.
func (c *Config) Embed(databaseURL, keys string) error {
	c.database = databaseURL
	return c.Security.EncryptionKeys.UnmarshalText([]byte(keys))
}

// Database is the URL of the Postgres to use, with its password: DATABASE_URL, or that of [Config.Embed].
func (c *Config) Database() string {
	if c.database != "" {
		return c.database
	}
	return c.Services.DatabaseURL.Reveal()
}
