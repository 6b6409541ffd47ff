"""What each setting means, by its name: told by `tse-gateway config`, the page of settings, and the docs."""

from collections.abc import Mapping

from gateway.i18n.text import Text

MEANINGS: Mapping[str, Text] = {
    "port": Text(
        "TCP port of the LAN-TSE protocol; 0 takes any free one",
        "TCP-Port des LAN-TSE-Protokolls; 0 nimmt einen freien",
    ),
    "bind": Text(
        "addresses to listen on, separated by commas; :: for IPv6",
        "Adressen, an denen das Gateway Verbindungen annimmt, durch Kommas getrennt; :: für IPv6",
    ),
    "address": Text(
        "host name or address that tills are told to use; also goes into the certificate",
        "Hostname oder Adresse, die den Kassen genannt wird; steht auch im Zertifikat",
    ),
    "site": Text(
        "name of the shop, for people who look after several", "Name des Ladens, für Leute, die mehrere betreuen"
    ),
    "state_dir": Text(
        "directory for token, certificates and session.txt; keep it over updates",
        "Verzeichnis für Token, Zertifikate und session.txt; bei Updates behalten",
    ),
    "api_token": Text(
        "token that tills send; without it one is made and kept",
        "Token, das die Kassen senden; ohne diese Einstellung wird eines erzeugt und behalten",
    ),
    "token_digits": Text(
        "digits of the token that is made; fewer are guessed sooner, 0 makes a long one with letters",
        "Stellen des Tokens, das erzeugt wird; weniger sind schneller erraten, 0 macht ein langes mit Buchstaben",
    ),
    "api_token_role": Text(
        "what the api_token opens: lan is all but the tokens, till no more than tills need",
        "was das api_token öffnet: lan alles bis auf die Tokens, till nur, was Kassen brauchen",
    ),
    "tokens": Text(
        "more tokens in secret files: tables of name, role, token_file, tses, clients",
        "weitere Tokens in Secret-Dateien: Tabellen aus name, role, token_file, tses, clients",
    ),
    "guess_rate": Text(
        "tokens of fewer than ten digits that an address may try per second after ten errors",
        "wie viele Tokens mit weniger als zehn Stellen eine Adresse nach zehn Fehlern pro Sekunde probieren darf",
    ),
    "devices": Text(
        "TSEs: mount directories or block devices, separated by commas",
        "TSEs: Einhängepunkte oder Blockgeräte, durch Kommas getrennt",
    ),
    "discover": Text(
        "look for TSEs at every disk and mount; without it only if no devices or simulators are named",
        "TSEs an jedem Laufwerk und Mount suchen; ungesetzt nur, wenn keine Geräte oder Simulatoren gesetzt sind",
    ),
    "rescan": Text(
        "how often everything is looked at again, whatever the kernel tells",
        "wie oft alles neu angesehen wird, was der Kernel auch meldet",
    ),
    "pool": Text(
        "TSEs that stand in for each other, by beginnings of serials: the primary, then its standbys",
        "TSEs, die füreinander einspringen, als Anfänge der Seriennummern: die Haupt-TSE, dann ihre Ersatz-TSEs",
    ),
    "pool_after": Text(
        "how long the TSE that serves must have failed before a standby of its pool serves",
        "wie lange die TSE in Betrieb ausgefallen sein muss, bis eine Ersatz-TSE ihres Pools einspringt",
    ),
    "upstreams": Text(
        "other LAN-TSE connectors whose TSEs are served here too: tables of url, token, ca_file, ...",
        "andere LAN-TSE-Connectoren, deren TSEs es hier auch gibt: Tabellen aus url, token, ca_file, ...",
    ),
    "simulators": Text(
        "how many simulated TSEs to serve; never a certified one",
        "wie viele simulierte TSEs es gibt; nie eine zertifizierte",
    ),
    "simulator_fresh": Text(
        "leave simulated TSEs as from the factory; else they are set up and kept ready",
        "simulierte TSEs wie ab Werk lassen; sonst werden sie eingerichtet und bereit gehalten",
    ),
    "simulator_generation": Text(
        "generation of the simulated TSEs that are made", "Generation der simulierten TSEs, die erzeugt werden"
    ),
    "simulator_profile": Text(
        "instant, or hardware with the times of a real TSE",
        "instant (sofort) oder hardware mit den Zeiten einer echten TSE",
    ),
    "lock_wait": Text(
        "how long a till waits for a TSE that another one holds; below 60, when tills give up",
        "wie lange eine Kasse auf eine TSE wartet, die eine andere belegt; unter 60, dann geben Kassen auf",
    ),
    "lock_idle": Text(
        "when the lock of a silent till lapses", "wann die Sperre einer Kasse verfällt, die nichts mehr sendet"
    ),
    "lock_orphaned": Text(
        "when the lock of a till lapses whose connection broke",
        "wann die Sperre einer Kasse verfällt, deren Verbindung abgerissen ist",
    ),
    "lock_longest": Text(
        "when the lock of any till is taken back, however busy it is; 0 never",
        "wann jeder Kasse die Sperre genommen wird, so beschäftigt sie auch ist; 0 nie",
    ),
    "filter_exports": Text(
        "make filtered exports of tills from the store of a TSE of generation 2, which refuses them",
        "gefilterte Exporte der Kassen aus dem Speicher einer TSE der Generation 2 machen, die sie selbst ablehnt",
    ),
    "old_tills": Text(
        "TSEs of generation 2 for tills with software for generation 1: beginnings of serials, or all",
        "TSEs der Generation 2 für Kassen mit Software für Generation 1: Anfänge von Seriennummern, oder all",
    ),
    "command_timeout": Text("longest time of an ordinary command", "längste Dauer eines gewöhnlichen Befehls"),
    "self_test_timeout": Text(
        "longest time of a self test or firmware update", "längste Dauer eines Selbsttests oder Firmware-Updates"
    ),
    "lost_answer_wait": Text(
        "how long a till waits for a TSE that failed to come back and tell whether it signed",
        "wie lange eine Kasse wartet, bis eine ausgefallene TSE wiederkommt und sagt, ob sie signiert hat",
    ),
    "late_after": Text(
        "when a TSE whose answer does not come is not ready any more; a self test has a minute",
        "wann eine TSE, deren Antwort ausbleibt, nicht mehr als bereit gilt; ein Selbsttest hat eine Minute",
    ),
    "keep_alive": Text(
        "how often an idle TSE is read, which keeps USB awake",
        "wie oft eine unbenutzte TSE gelesen wird, was USB wach hält",
    ),
    "time_admin_pin": Text(
        "TimeAdmin PIN, or serial:PIN for each TSE; without it the gateway only reads",
        "TimeAdmin-PIN, oder Seriennummer:PIN für jede TSE; ohne sie liest das Gateway nur",
    ),
    "set_time": Text(
        "set the time of TSEs whose TimeAdmin PIN is known", "die Uhr der TSEs stellen, deren TimeAdmin-PIN bekannt ist"
    ),
    "self_test": Text(
        "run the self test of TSEs whose TimeAdmin PIN is known",
        "den Selbsttest der TSEs ausführen, deren TimeAdmin-PIN bekannt ist",
    ),
    "self_test_client": Text(
        "client id for the self test; without it one that tills use is learned",
        "Client-ID für den Selbsttest; ungesetzt eine, die Kassen benutzen",
    ),
    "self_test_at": Text("local time of the nightly self test", "Ortszeit des nächtlichen Selbsttests"),
    "self_test_jitter": Text(
        "spreads the nightly self tests and archive runs of several TSEs",
        "verteilt die nächtlichen Selbsttests und Archivläufe mehrerer TSEs",
    ),
    "archive": Text(
        "keep an archive of what TSEs have signed, written each night",
        "ein Archiv dessen führen, was TSEs signiert haben; geschrieben wird jede Nacht",
    ),
    "archive_dir": Text(
        "directory of the archives; without it the folder archive in state_dir",
        "Verzeichnis der Archive; ungesetzt der Ordner archive in state_dir",
    ),
    "archive_at": Text(
        "local time of the nightly archive run, after the self test",
        "Ortszeit des nächtlichen Archivlaufs, nach dem Selbsttest",
    ),
    "archive_min_free_mib": Text(
        "room that the archive leaves on its disk for everything else",
        "Platz in MiB, den das Archiv auf seinem Datenträger für alles andere frei lässt",
    ),
    "archive_trust": Text(
        "files or directories with the root certificates that archived chains must lead to",
        "Dateien oder Verzeichnisse mit den Wurzelzertifikaten, zu denen archivierte Ketten führen müssen",
    ),
    "archive_targets": Text(
        "where archives are copied to: tables of name, url (bucket, SFTP or share), secret_file, ...",
        "wohin Archive kopiert werden: Tabellen aus name, url (Bucket, SFTP oder Freigabe), secret_file, ...",
    ),
    "archive_timestamp_url": Text(
        "authority (RFC 3161) that stamps the newest manifest of each archive, http or https",
        "Dienst (RFC 3161), der das neueste Manifest jedes Archivs zeitstempelt, http oder https",
    ),
    "archive_timestamp_trust": Text(
        "files or directories with the root certificates of that authority",
        "Dateien oder Verzeichnisse mit den Wurzelzertifikaten dieses Dienstes",
    ),
    "ntp_servers": Text(
        "time servers, or none; asked only while the kernel does not say that its clock is right",
        "Zeitserver, oder none; gefragt nur, solange der Kernel nicht sagt, dass seine Uhr stimmt",
    ),
    "stop_timeout": Text(
        "how long tills may go on when the gateway stops; it has ended after 5/4 of this, whatever hangs",
        "wie lange Kassen weiterarbeiten dürfen, wenn das Gateway endet; nach 5/4 davon ist es beendet, was auch hängt",
    ),
    "hang_timeout": Text(
        "when a gateway whose event loop stands still ends itself, so that it is started anew",
        "wann ein Gateway, dessen Ereignisschleife steht, sich selbst beendet, damit es neu gestartet wird",
    ),
    "tls_certificate": Text(
        "your own certificate chain (PEM) instead of a made one", "eigene Zertifikatskette (PEM) statt einer erzeugten"
    ),
    "tls_key": Text(
        "the private key (PEM, no password) of tls_certificate",
        "der private Schlüssel (PEM, ohne Passwort) zu tls_certificate",
    ),
    "tls_client_ca": Text(
        "CA certificates (PEM): a client certificate of theirs that names a token stands for it",
        "CA-Zertifikate (PEM): ein Client-Zertifikat von ihnen, das ein Token nennt, steht für dieses",
    ),
    "tls_client_crl": Text(
        "revocation lists (PEM) of tls_client_ca, read anew each minute; all must be in date",
        "Sperrlisten (PEM) zu tls_client_ca, jede Minute neu gelesen; alle müssen aktuell sein",
    ),
    "tls_client_required": Text(
        "roles whose tokens count only with the client certificate of their name, separated by commas",
        "Rollen, deren Tokens nur mit dem Client-Zertifikat ihres Namens gelten, durch Kommas getrennt",
    ),
    "log_format": Text("auto is text on a terminal, else json", "auto ist text am Terminal, sonst json"),
    "log_level": Text("TRACE, DEBUG, INFO, WARNING or ERROR", "TRACE, DEBUG, INFO, WARNING oder ERROR"),
    "max_body_bytes": Text("largest request body", "größter Inhalt einer Anfrage in Bytes"),
    "local_socket": Text(
        "serve programs of this user or root by gateway.sock in state_dir, without token",
        "Programme dieses Benutzers oder von root ohne Token durch gateway.sock in state_dir bedienen",
    ),
    "mdns": Text(
        "announce the gateway in its network by multicast DNS; needs the extra mdns, and no container",
        "das Gateway in seinem Netz durch Multicast-DNS melden; braucht das Extra mdns, und keinen Container",
    ),
    "status_page": Text(
        "serve the status page for people at / on the port of the tills",
        "die Statusseite für Menschen unter / auf dem Port der Kassen anbieten",
    ),
    "metrics": Text(
        "serve /metrics for Prometheus on the port of the tills",
        "/metrics für Prometheus auf dem Port der Kassen anbieten",
    ),
    "metrics_listen": Text(
        "a port for /metrics alone: off, plain, or tls with a bearer token",
        "ein Port nur für /metrics: off, plain, oder tls mit Bearer-Token",
    ),
    "metrics_port": Text("that port; 0 takes any free one", "dieser Port; 0 nimmt einen freien"),
    "metrics_bind": Text(
        "addresses of that port, separated by commas; without it those of bind",
        "Adressen dieses Ports, durch Kommas getrennt; ungesetzt die von bind",
    ),
    "metrics_clients": Text(
        "also tell what each till has signed, and when it last did",
        "auch sagen, was jede Kasse signiert hat, und wann zuletzt",
    ),
    "metrics_token": Text(
        "bearer token of that port, which opens nothing else; without it the api_token",
        "Bearer-Token dieses Ports, das sonst nichts öffnet; ungesetzt das api_token",
    ),
    "notify_mail_to": Text(
        "mail addresses that are told once what needs attention, separated by commas",
        "Mailadressen, an die einmal geht, worum man sich kümmern muss, durch Kommas getrennt",
    ),
    "notify_mail_server": Text(
        "host or host:port that takes these mails; port 465 for TLS, any other (587) for STARTTLS",
        "Host oder Host:Port, der diese Mails annimmt; Port 465 für TLS, jeder andere (587) für STARTTLS",
    ),
    "notify_mail_from": Text(
        "sender of these mails; without it the user if it is an address, else the first that is told",
        "Absender dieser Mails; ungesetzt der Benutzer, wenn er eine Adresse ist, sonst der erste Empfänger",
    ),
    "notify_mail_user": Text(
        "login at the mail server; without it none", "Benutzer am Mailserver; ungesetzt ohne Anmeldung"
    ),
    "notify_mail_password": Text("password of that login", "Passwort dieses Benutzers"),
    "notify_webhook_url": Text(
        "address that is told the same by a signed POST of JSON",
        "Adresse, der dasselbe durch einen signierten POST mit JSON gemeldet wird",
    ),
    "notify_webhook_secret": Text(
        "key of that signature: whsec_ and 24 to 64 random bytes as base64",
        "Schlüssel dieser Signatur: whsec_ und 24 bis 64 zufällige Bytes als base64",
    ),
    "notify_language": Text("language of mails and webhook: de or en", "Sprache von Mails und Webhook: de oder en"),
}
