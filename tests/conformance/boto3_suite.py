"""What sqs-local promises, seen through unmodified boto3.

usage: boto3_suite.py [ENDPOINT]

Without ENDPOINT the variable SQS_ENDPOINT names it; without that, SQS_LOCAL names the
binary of sqs-local, which is started on a free port for the time of the run.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
import unittest
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = None


def client():
    return boto3.client(
        "sqs",
        endpoint_url=ENDPOINT,
        region_name="us-east-1",
        aws_access_key_id="AKIDBOTO3",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )


class Suite(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sqs = client()

    def name(self, suffix=""):
        return f"boto3-{uuid.uuid4().hex}{suffix}"

    def queue(self, **attributes):
        name = self.name()
        return self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def fifo(self, **attributes):
        attributes["FifoQueue"] = "true"
        name = self.name(".fifo")
        return self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def arn(self, url):
        names = ["QueueArn"]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return answer["Attributes"]["QueueArn"]

    def receive(self, url, **arguments):
        arguments.setdefault("WaitTimeSeconds", 20)
        return self.sqs.receive_message(QueueUrl=url, **arguments).get("Messages", [])

    def poll(self, url, **arguments):
        return self.receive(url, WaitTimeSeconds=0, **arguments)

    def refused(self, code, call, **arguments):
        with self.assertRaises(ClientError) as raised:
            call(**arguments)
        self.assertEqual(raised.exception.response["Error"]["Code"], code)
        return raised.exception.response


class Messages(Suite):
    def test_a_message_arrives_with_everything_it_was_sent_with(self):
        url = self.queue()
        body = 'grüße\n"x" \U00010348'
        attributes = {
            "text": {"DataType": "String", "StringValue": "There"},
            "number": {"DataType": "Number.int", "StringValue": "42"},
            "bytes": {"DataType": "Binary", "BinaryValue": b"\0\1"},
        }
        sent = self.sqs.send_message(
            QueueUrl=url, MessageBody=body, MessageAttributes=attributes
        )
        digest = hashlib.md5(body.encode()).hexdigest()
        self.assertEqual(sent["MD5OfMessageBody"], digest)
        (message,) = self.receive(
            url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"]
        )
        self.assertEqual(message["Body"], body)
        self.assertEqual(message["MD5OfBody"], digest)
        self.assertEqual(message["MessageAttributes"], attributes)
        self.assertEqual(message["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"])
        system = message["Attributes"]
        self.assertEqual(system["ApproximateReceiveCount"], "1")
        self.assertEqual(system["SenderId"], "AKIDBOTO3")
        self.assertRegex(system["SentTimestamp"], r"^\d{13}$")

    def test_what_was_not_asked_for_is_not_there(self):
        url = self.queue()
        answer = self.sqs.receive_message(QueueUrl=url)
        self.assertNotIn("Messages", answer)
        self.sqs.send_message(QueueUrl=url, MessageBody="a")
        (message,) = self.receive(url)
        self.assertEqual(set(message), {"MessageId", "ReceiptHandle", "MD5OfBody", "Body"})

    def test_the_older_name_of_system_attributes_still_works(self):
        url = self.queue(VisibilityTimeout="0")
        self.sqs.send_message(QueueUrl=url, MessageBody="a")
        (message,) = self.receive(url, AttributeNames=["SentTimestamp"])
        self.assertEqual(list(message["Attributes"]), ["SentTimestamp"])

    def test_a_message_comes_back_with_a_new_receipt(self):
        url = self.queue(VisibilityTimeout="1")
        self.sqs.send_message(QueueUrl=url, MessageBody="a")
        (first,) = self.receive(url)
        self.assertEqual(self.poll(url), [])
        (second,) = self.receive(url)
        self.assertNotEqual(first["ReceiptHandle"], second["ReceiptHandle"])
        self.sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
        (third,) = self.receive(url)
        self.sqs.delete_message(QueueUrl=url, ReceiptHandle=third["ReceiptHandle"])
        self.sqs.delete_message(QueueUrl=url, ReceiptHandle=third["ReceiptHandle"])

    def test_delays_hold_messages_back(self):
        url = self.queue(DelaySeconds="900")
        self.sqs.send_message(QueueUrl=url, MessageBody="late")
        self.sqs.send_message(QueueUrl=url, MessageBody="soon", DelaySeconds=1)
        self.assertEqual(self.poll(url), [])
        self.assertEqual([m["Body"] for m in self.receive(url)], ["soon"])

    def test_a_long_poll_wakes_when_something_is_sent(self):
        url = self.queue()
        timer = threading.Timer(
            0.2, lambda: client().send_message(QueueUrl=url, MessageBody="a")
        )
        start = time.monotonic()
        timer.start()
        self.assertEqual(len(self.receive(url)), 1)
        self.assertLess(time.monotonic() - start, 10)
        timer.join()

    def test_a_message_not_in_flight_cannot_be_extended(self):
        url = self.queue()
        self.sqs.send_message(QueueUrl=url, MessageBody="a")
        handle = self.receive(url)[0]["ReceiptHandle"]
        change = self.sqs.change_message_visibility
        change(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
        self.refused(
            "AWS.SimpleQueueService.MessageNotInflight",
            change,
            QueueUrl=url,
            ReceiptHandle=handle,
            VisibilityTimeout=5,
        )
        for secs in (-1, 43201):
            self.refused(
                "InvalidParameterValue",
                change,
                QueueUrl=url,
                ReceiptHandle=handle,
                VisibilityTimeout=secs,
            )

    def test_receipts_that_are_none_are_refused(self):
        url = self.queue()
        self.refused(
            "ReceiptHandleIsInvalid",
            self.sqs.delete_message,
            QueueUrl=url,
            ReceiptHandle="garbage",
        )

    def test_illegal_characters_are_refused(self):
        url = self.queue()
        for body in ("\x00", "a\x0bb", "\uffff"):
            self.refused(
                "InvalidMessageContents",
                self.sqs.send_message,
                QueueUrl=url,
                MessageBody=body,
            )
        self.refused(
            "MissingParameter", self.sqs.send_message, QueueUrl=url, MessageBody=""
        )

    def test_bad_attributes_are_refused(self):
        url = self.queue()
        string = {"DataType": "String", "StringValue": "x"}
        for name, value in (
            ("aws.x", string),
            ("a..b", string),
            (".a", string),
            ("a b", string),
            ("n" * 257, string),
            ("a", {"DataType": "String", "StringValue": ""}),
            ("a", {"DataType": "Number", "StringValue": "one"}),
            ("a", {"DataType": "Number", "StringValue": "1" * 39}),
            ("a", {"DataType": "Binary", "BinaryValue": b""}),
            ("a", {"DataType": "Text", "StringValue": "x"}),
            ("a", {"DataType": "", "StringValue": "x"}),
        ):
            with self.subTest(name=name, value=value):
                self.refused(
                    "InvalidParameterValue",
                    self.sqs.send_message,
                    QueueUrl=url,
                    MessageBody="a",
                    MessageAttributes={name: value},
                )
        many = {f"a{n}": string for n in range(11)}
        self.refused(
            "InvalidParameterValue",
            self.sqs.send_message,
            QueueUrl=url,
            MessageBody="a",
            MessageAttributes=many,
        )

    def test_sizes_are_bounded(self):
        url = self.queue(MaximumMessageSize="1024")
        self.sqs.send_message(QueueUrl=url, MessageBody="x" * 1024)
        response = self.refused(
            "InvalidParameterValue",
            self.sqs.send_message,
            QueueUrl=url,
            MessageBody="x" * 1025,
        )
        self.assertIn("shorter than 1024 bytes", response["Error"]["Message"])


class Batches(Suite):
    def test_entries_fail_alone(self):
        url = self.queue()
        entries = [
            {"Id": "good", "MessageBody": "a"},
            {"Id": "bad", "MessageBody": "\x01"},
            {"Id": "late", "MessageBody": "a", "DelaySeconds": 901},
        ]
        answer = self.sqs.send_message_batch(QueueUrl=url, Entries=entries)
        self.assertEqual([entry["Id"] for entry in answer["Successful"]], ["good"])
        failed = {entry["Id"]: entry for entry in answer["Failed"]}
        self.assertEqual(failed["bad"]["Code"], "InvalidMessageContents")
        self.assertEqual(failed["late"]["Code"], "InvalidParameterValue")
        self.assertTrue(failed["bad"]["SenderFault"])

    def test_a_batch_is_refused_as_a_whole(self):
        url = self.queue()
        entry = lambda id, body="a": {"Id": id, "MessageBody": body}
        half = "x" * 524288
        for code, entries in (
            ("EmptyBatchRequest", []),
            ("TooManyEntriesInBatchRequest", [entry(str(n)) for n in range(11)]),
            ("BatchEntryIdsNotDistinct", [entry("1"), entry("1")]),
            ("InvalidBatchEntryId", [entry("invalid:id")]),
            ("InvalidBatchEntryId", [entry("")]),
            ("InvalidBatchEntryId", [entry("i" * 81)]),
            ("BatchRequestTooLong", [entry("1", half), entry("2", half), entry("3")]),
        ):
            with self.subTest(code=code):
                self.refused(
                    f"AWS.SimpleQueueService.{code}",
                    self.sqs.send_message_batch,
                    QueueUrl=url,
                    Entries=entries,
                )

    def test_ten_at_once(self):
        url = self.queue()
        entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(10)]
        self.sqs.send_message_batch(QueueUrl=url, Entries=entries)
        messages = self.receive(url, MaxNumberOfMessages=10)
        self.assertEqual(len(messages), 10)
        entries = [
            {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)
        ]
        later = [dict(entry, VisibilityTimeout=60) for entry in entries]
        answer = self.sqs.change_message_visibility_batch(QueueUrl=url, Entries=later)
        self.assertEqual(len(answer["Successful"]), 10)
        answer = self.sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        self.assertEqual(len(answer["Successful"]), 10)
        self.assertNotIn("Failed", answer)


class Queues(Suite):
    def test_attributes_have_their_defaults(self):
        url = self.queue()
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        attributes = answer["Attributes"]
        for name, value in {
            "VisibilityTimeout": "30",
            "DelaySeconds": "0",
            "MessageRetentionPeriod": "345600",
            "MaximumMessageSize": "1048576",
            "ReceiveMessageWaitTimeSeconds": "0",
            "ApproximateNumberOfMessages": "0",
            "SqsManagedSseEnabled": "true",
        }.items():
            self.assertEqual(attributes[name], value, name)
        self.assertNotIn("FifoQueue", attributes)
        self.assertTrue(attributes["QueueArn"].endswith(url.rsplit("/", 1)[1]))
        self.assertNotIn("Attributes", self.sqs.get_queue_attributes(QueueUrl=url))

    def test_counts_follow_the_messages(self):
        url = self.queue()
        for delay in (0, 0, 600):
            self.sqs.send_message(QueueUrl=url, MessageBody="a", DelaySeconds=delay)
        self.receive(url)
        names = ["", "NotVisible", "Delayed"]
        names = [f"ApproximateNumberOfMessages{name}" for name in names]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        self.assertEqual([answer["Attributes"][name] for name in names], ["1"] * 3)

    def test_names_keep_the_rules(self):
        for name in ("", "a.b", "a b", "q" * 81, "x.fifo"):
            with self.subTest(name=name), self.assertRaises(ClientError):
                self.sqs.create_queue(QueueName=name)

    def test_a_queue_is_made_once(self):
        name = self.name()
        make = self.sqs.create_queue
        url = make(QueueName=name, Attributes={"DelaySeconds": "3"})["QueueUrl"]
        self.assertEqual(make(QueueName=name)["QueueUrl"], url)
        response = self.refused(
            "QueueAlreadyExists", make, QueueName=name, Attributes={"DelaySeconds": "4"}
        )
        self.assertEqual(
            response["Error"]["Message"],
            "A queue already exists with the same name and a different value for "
            "attribute DelaySeconds",
        )
        self.sqs.delete_queue(QueueUrl=url)
        self.refused(
            "AWS.SimpleQueueService.QueueDeletedRecently", make, QueueName=name
        )
        response = self.refused(
            "AWS.SimpleQueueService.NonExistentQueue", self.sqs.delete_queue, QueueUrl=url
        )
        self.assertEqual(response["ResponseMetadata"]["HTTPStatusCode"], 400)
        with self.assertRaises(self.sqs.exceptions.QueueDoesNotExist):
            self.sqs.get_queue_url(QueueName=name)

    def test_bad_attributes_are_refused(self):
        url = self.queue()
        for code, attributes in (
            ("InvalidAttributeValue", {"VisibilityTimeout": "43201"}),
            ("InvalidAttributeValue", {"MessageRetentionPeriod": "59"}),
            ("InvalidAttributeValue", {"DelaySeconds": "x"}),
            ("InvalidAttributeName", {"Foo": "1"}),
            ("InvalidAttributeName", {"ContentBasedDeduplication": "true"}),
            ("InvalidParameterValue", {"RedrivePolicy": '{"deadLetterTargetArn": "dummy", "maxReceiveCount": 42}'}),
        ):
            with self.subTest(attributes=attributes):
                self.refused(
                    code, self.sqs.set_queue_attributes, QueueUrl=url, Attributes=attributes
                )
        self.refused(
            "InvalidAttributeName",
            self.sqs.get_queue_attributes,
            QueueUrl=url,
            AttributeNames=["Foo"],
        )

    def test_a_purge_empties_the_queue_once_in_a_minute(self):
        url = self.queue()
        self.sqs.send_message(QueueUrl=url, MessageBody="a")
        self.sqs.purge_queue(QueueUrl=url)
        self.assertEqual(self.poll(url), [])
        response = self.refused(
            "AWS.SimpleQueueService.PurgeQueueInProgress", self.sqs.purge_queue, QueueUrl=url
        )
        self.assertEqual(response["ResponseMetadata"]["HTTPStatusCode"], 403)

    def test_listings_come_in_pages(self):
        prefix = self.name()
        urls = [
            self.sqs.create_queue(QueueName=f"{prefix}-{n}")["QueueUrl"] for n in range(5)
        ]
        pages = self.sqs.get_paginator("list_queues").paginate(
            QueueNamePrefix=prefix, PaginationConfig={"PageSize": 2}
        )
        pages = [page["QueueUrls"] for page in pages]
        self.assertEqual([len(page) for page in pages], [2, 2, 1])
        self.assertEqual(sorted(sum(pages, [])), urls)
        self.assertNotIn("QueueUrls", self.sqs.list_queues(QueueNamePrefix=prefix + "-x"))

    def test_what_is_not_supported_says_so(self):
        url = self.queue()
        self.refused(
            "AWS.SimpleQueueService.UnsupportedOperation",
            self.sqs.remove_permission,
            QueueUrl=url,
            Label="x",
        )

    def test_tags_are_given_at_birth_added_replaced_and_removed(self):
        name = self.name()
        url = self.sqs.create_queue(QueueName=name, tags={"team": "a", "env": "dev"})["QueueUrl"]
        self.sqs.tag_queue(QueueUrl=url, Tags={"team": "b", "x": ""})
        self.sqs.untag_queue(QueueUrl=url, TagKeys=["env", "gone"])
        tags = self.sqs.list_queue_tags(QueueUrl=url)["Tags"]
        self.assertEqual(tags, {"team": "b", "x": ""})
        self.assertNotIn("Tags", self.sqs.list_queue_tags(QueueUrl=self.queue()))
        self.refused(
            "QueueAlreadyExists", self.sqs.create_queue, QueueName=name, tags={"team": "c"}
        )
        fifty_one = {str(n): "" for n in range(51)}
        self.refused("InvalidParameterValue", self.sqs.tag_queue, QueueUrl=url, Tags=fifty_one)
        self.refused("MissingParameter", self.sqs.tag_queue, QueueUrl=url, Tags={})
        self.refused("MissingParameter", self.sqs.untag_queue, QueueUrl=url, TagKeys=[])


class DeadLetters(Suite):
    def policy(self, target, count):
        return json.dumps({"deadLetterTargetArn": self.arn(target), "maxReceiveCount": count})

    def test_a_message_received_too_often_moves_with_its_id(self):
        dead = self.queue()
        url = self.queue(RedrivePolicy=self.policy(dead, "1"), VisibilityTimeout="0")
        sent = self.sqs.send_message(QueueUrl=url, MessageBody="a")
        self.assertEqual(len(self.receive(url)), 1)
        self.assertEqual(self.poll(url), [])
        (message,) = self.receive(dead, MessageSystemAttributeNames=["All"])
        self.assertEqual(message["MessageId"], sent["MessageId"])
        self.assertEqual(
            message["Attributes"]["DeadLetterQueueSourceArn"], self.arn(url)
        )
        answer = self.sqs.list_dead_letter_source_queues(QueueUrl=dead)
        self.assertEqual(answer["queueUrls"], [url])

    def test_the_target_is_there_of_the_same_type_and_willing(self):
        deny = json.dumps({"redrivePermission": "denyAll"})
        for target in (self.fifo(), self.queue(RedriveAllowPolicy=deny)):
            self.refused(
                "InvalidParameterValue",
                self.sqs.create_queue,
                QueueName=self.name(),
                Attributes={"RedrivePolicy": self.policy(target, 3)},
            )

    def tasks(self, dead):
        return self.sqs.list_message_move_tasks(SourceArn=self.arn(dead), MaxResults=10)

    def test_a_move_task_brings_the_dead_back_as_new_messages(self):
        dead = self.queue()
        url = self.queue(RedrivePolicy=self.policy(dead, "1"), VisibilityTimeout="0")
        sent = self.sqs.send_message(QueueUrl=url, MessageBody="a")
        self.assertEqual(len(self.receive(url)), 1)
        self.assertEqual(self.poll(url), [])
        self.sqs.start_message_move_task(SourceArn=self.arn(dead))
        (message,) = self.receive(url, MessageSystemAttributeNames=["All"])
        self.assertNotEqual(message["MessageId"], sent["MessageId"])
        self.assertEqual(message["Attributes"]["ApproximateReceiveCount"], "1")
        self.assertNotIn("DeadLetterQueueSourceArn", message["Attributes"])
        (task,) = self.tasks(dead)["Results"]
        self.assertEqual(
            set(task),
            {
                "Status",
                "SourceArn",
                "ApproximateNumberOfMessagesMoved",
                "ApproximateNumberOfMessagesToMove",
                "StartedTimestamp",
            },
        )
        self.assertEqual(task["Status"], "COMPLETED")
        self.assertEqual(task["ApproximateNumberOfMessagesMoved"], 1)

    def test_a_move_task_needs_a_dead_letter_queue_and_ends_when_cancelled(self):
        dead, other = self.queue(), self.queue()
        start = self.sqs.start_message_move_task
        arguments = {
            "SourceArn": self.arn(dead),
            "DestinationArn": self.arn(other),
            "MaxNumberOfMessagesPerSecond": 1,
        }
        self.refused("InvalidParameterValue", start, **arguments)
        self.queue(RedrivePolicy=self.policy(dead, "1"))
        for body in ("a", "b", "c"):
            self.sqs.send_message(QueueUrl=dead, MessageBody=body)
        gone = {"DestinationArn": self.arn(other) + "-gone"}
        self.refused("ResourceNotFoundException", start, **{**arguments, **gone})
        for rate in (0, 501):
            wish = {"MaxNumberOfMessagesPerSecond": rate}
            self.refused("InvalidParameterValue", start, **{**arguments, **wish})
        handle = start(**arguments)["TaskHandle"]
        self.refused("InvalidParameterValue", start, **arguments)
        self.assertEqual(self.tasks(dead)["Results"][0]["TaskHandle"], handle)
        self.sqs.cancel_message_move_task(TaskHandle=handle)
        cancel = self.sqs.cancel_message_move_task
        self.refused(
            "AWS.SimpleQueueService.UnsupportedOperation", cancel, TaskHandle=handle
        )
        self.refused("InvalidParameterValue", cancel, TaskHandle="garbage")
        self.assertNotIn("Results", self.tasks(other))


class Fifo(Suite):
    def send(self, url, group, body, **arguments):
        arguments.setdefault("MessageDeduplicationId", body)
        return self.sqs.send_message(
            QueueUrl=url, MessageBody=body, MessageGroupId=group, **arguments
        )

    def test_groups_keep_their_order_and_wait_for_what_is_in_flight(self):
        url = self.fifo()
        for group, body in (("a", "a1"), ("a", "a2"), ("b", "b1")):
            self.send(url, group, body)
        first = self.receive(url, MessageSystemAttributeNames=["All"])
        self.assertEqual([m["Body"] for m in first], ["a1"])
        self.assertEqual(first[0]["Attributes"]["MessageGroupId"], "a")
        self.assertEqual(first[0]["Attributes"]["MessageDeduplicationId"], "a1")
        self.assertRegex(first[0]["Attributes"]["SequenceNumber"], r"^\d{20}$")
        rest = self.receive(url, MaxNumberOfMessages=10)
        self.assertEqual([m["Body"] for m in rest], ["b1"])
        self.sqs.delete_message(QueueUrl=url, ReceiptHandle=first[0]["ReceiptHandle"])
        self.assertEqual([m["Body"] for m in self.receive(url)], ["a2"])

    def test_a_receive_is_repeated_by_its_attempt_id(self):
        url = self.fifo()
        self.send(url, "a", "a1")
        attempt = {"ReceiveRequestAttemptId": "x", "MaxNumberOfMessages": 10}
        (first,) = self.receive(url, **attempt)
        self.assertEqual(self.poll(url), [])
        self.assertEqual(self.receive(url, **attempt), [first])
        self.sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=30
        )
        self.assertEqual(self.poll(url, **attempt), [])
        self.refused(
            "InvalidParameterValue",
            self.sqs.receive_message,
            QueueUrl=self.queue(),
            ReceiveRequestAttemptId="x",
        )

    def test_the_same_is_sent_once(self):
        url = self.fifo(ContentBasedDeduplication="true")
        send = lambda body: self.sqs.send_message(
            QueueUrl=url, MessageBody=body, MessageGroupId="g"
        )
        self.assertEqual(send("x")["MessageId"], send("x")["MessageId"])
        handle = self.receive(url)[0]["ReceiptHandle"]
        self.sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
        send("x")
        self.assertEqual(self.poll(url), [])

    def test_requests_that_do_not_fit_are_refused(self):
        url = self.fifo()
        send = self.sqs.send_message
        self.refused("MissingParameter", send, QueueUrl=url, MessageBody="x")
        self.refused(
            "InvalidParameterValue", send, QueueUrl=url, MessageBody="x", MessageGroupId="g"
        )
        response = self.refused(
            "InvalidParameterValue",
            send,
            QueueUrl=url,
            MessageBody="x",
            MessageGroupId="g",
            MessageDeduplicationId="d",
            DelaySeconds=2,
        )
        self.assertIn("not valid for this queue type", response["Error"]["Message"])

    def test_a_receipt_whose_time_is_over_is_an_error(self):
        url = self.fifo(VisibilityTimeout="1")
        self.send(url, "g", "x")
        old = self.receive(url)[0]["ReceiptHandle"]
        self.receive(url)
        response = self.refused(
            "InvalidParameterValue", self.sqs.delete_message, QueueUrl=url, ReceiptHandle=old
        )
        self.assertEqual(
            response["Error"]["Message"],
            f"Value {old} for parameter ReceiptHandle is invalid. "
            "Reason: The receipt handle has expired.",
        )


def start():
    """Starts the binary and reads its address from the first line it prints."""
    command = [os.environ["SQS_LOCAL"], "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    match = re.fullmatch(r"listening on (http://\S+)\n", line)
    if not match:
        raise SystemExit(f"sqs-local did not start: {line!r}")
    return process, match.group(1)


def main():
    global ENDPOINT
    process = None
    if len(sys.argv) > 1:
        ENDPOINT = sys.argv.pop(1)
    elif "SQS_ENDPOINT" in os.environ:
        ENDPOINT = os.environ["SQS_ENDPOINT"]
    elif "SQS_LOCAL" in os.environ:
        process, ENDPOINT = start()
    else:
        raise SystemExit(__doc__)
    try:
        program = unittest.main(exit=False)
    finally:
        if process:
            process.terminate()
            process.wait()
    result = program.result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
