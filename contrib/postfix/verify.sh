#!/usr/bin/env bash
# Send a mail with a calendar through Postfix and show what the gateway recorded of it.
# usage: verify.sh RECIPIENT [SENDER]      (the recipient should have an account in the gateway)
set -euo pipefail
recipient=${1:?usage: verify.sh RECIPIENT [SENDER]}
sender=${2:-postmaster@$(hostname -f)}
id="verify.$(date +%s).$$@$(hostname -f)"
/usr/sbin/sendmail -i -f "$sender" "$recipient" <<MAIL
From: $sender
To: $recipient
Subject: imip-gateway verification
Message-ID: <$id>
MIME-Version: 1.0
Content-Type: text/calendar; charset=utf-8; method=PUBLISH

BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//imip-gateway//verify//EN
METHOD:PUBLISH
BEGIN:VEVENT
UID:$id
DTSTAMP:20260101T000000Z
DTSTART:20260101T000000Z
SUMMARY:Verification
END:VEVENT
END:VCALENDAR
MAIL
for _ in $(seq 1 20); do
    sleep 1
    imip-gateway mail trace "$id" 2>/dev/null && exit 0
done
echo "the gateway has not seen <$id>: mail does not pass it (postqueue -p, mail log)" >&2
exit 1
