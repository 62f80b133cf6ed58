//! What sidecars, receivers and rulers upload when all is well.

use crate::shapes::{Estate, HOUR, MINUTE, Stream, UploadTime, compact, t};
use crate::{NOW, steady};

#[test]
fn one_sidecar_at_every_point_of_its_saw_tooth() {
    let estate = Estate::with(&steady("cluster=eu1"));
    // just uploaded, half way, the next block is being cut, and late within bounds
    for at in ["01-03T01:02", "01-03T02:00", "01-03T03:00", "01-03T03:59"] {
        estate.scan(at).healthy().notes(&[]);
    }
}

#[test]
fn a_pair_of_replicas() {
    let mut blocks = steady("cluster=eu1 replica=a");
    blocks.extend(steady("cluster=eu1 replica=b"));
    Estate::with(&blocks).scan(NOW).healthy().notes(&[]);
}

#[test]
fn a_replica_that_joined_later() {
    let mut blocks = steady("cluster=eu1 replica=a");
    blocks.extend(Stream::sidecar("cluster=eu1 replica=b").blocks("01-02T10:00", "01-03T00:00"));
    Estate::with(&blocks).scan(NOW).healthy().notes(&[]);
}

#[test]
fn receivers_with_tenants_whose_replicas_hold_different_series() {
    let mut blocks = Vec::new();
    for tenant in ["one", "two"] {
        for (replica, rate) in [("receive-0", 240_000), ("receive-1", 90_000), ("receive-2", 400_000)] {
            let stream = Stream::receive(&format!("receive=true replica={replica} tenant_id={tenant}")).rate(rate);
            blocks.extend(stream.blocks("01-01", "01-03"));
        }
    }
    Estate::with(&blocks).scan(NOW).healthy().notes(&[]);
}

#[test]
fn a_tenant_that_came_today() {
    let mut blocks = steady("replica=receive-0 tenant_id=one");
    blocks.extend(Stream::receive("replica=receive-0 tenant_id=new").blocks("01-02T20:00", "01-03T00:00"));
    Estate::with(&blocks).scan(NOW).healthy().notes(&[]);
}

#[test]
fn a_ruler_whose_rules_are_silent_now_and_then() {
    let ruler = Stream::ruler("cluster=eu1 rule_replica=0");
    let mut blocks = ruler.blocks("01-01", "01-01T12:00");
    blocks.extend(ruler.blocks("01-01T20:00", "01-02T06:00"));
    blocks.extend(ruler.blocks("01-02T08:00", "01-02T14:00"));
    blocks.extend(steady("cluster=eu1"));
    Estate::with(&blocks).scan(NOW).healthy();
}

#[test]
fn out_of_order_blocks_beside_the_plain_ones() {
    let stream = Stream::sidecar("cluster=eu1");
    let mut blocks = stream.blocks("01-01", "01-03");
    // late samples of hours long cut, twice the same window, and one window that is not over yet
    blocks.push(stream.block("01-02T04:00", "01-02T06:00").samples(700).cut("01-02T09:00").hinted());
    blocks.push(stream.block("01-02T04:00", "01-02T06:00").samples(300).cut("01-02T11:00").hinted());
    blocks.push(stream.block("01-03T00:00", "01-03T02:00").samples(90).cut("01-03T01:00").hinted());
    Estate::with(&blocks).scan("01-03T01:30").healthy().notes(&[]);
}

#[test]
fn an_out_of_order_block_whose_window_ends_in_the_future() {
    let stream = Stream::sidecar("cluster=eu1");
    let mut blocks = stream.blocks("01-01", "01-03");
    blocks.push(stream.block("01-03T02:00", "01-03T04:00").samples(90).cut("01-03T02:10").hinted());
    Estate::with(&blocks).scan("01-03T02:20").healthy().notes(&[]);
}

#[test]
fn a_restart_cuts_a_short_block_late() {
    let stream = Stream::sidecar("cluster=eu1");
    let mut blocks = stream.blocks("01-01", "01-02T20:00");
    // down from 21:10 to 21:20; the head after an empty start is cut an hour later than usual
    blocks.push(stream.block("01-02T20:00", t("01-02T21:10") + 9_000).cut("01-02T23:00"));
    blocks.push(stream.block(t("01-02T21:20") + 15_000, "01-02T22:00").cut("01-03T00:20"));
    blocks.push(stream.block("01-02T22:00", "01-03T00:00").cut("01-03T01:00"));
    Estate::with(&blocks).scan(NOW).healthy().notes(&[]);
}

#[test]
fn a_first_block_that_begins_in_the_middle_of_a_window() {
    let stream = Stream::sidecar("cluster=eu1");
    let mut blocks = vec![stream.block(t("01-02T14:37") + 123, "01-02T16:00").cut("01-02T17:38")];
    blocks.extend(stream.blocks("01-02T16:00", "01-03"));
    Estate::with(&blocks).scan(NOW).healthy().notes(&[]);
}

#[test]
fn blocks_that_begin_and_end_with_their_samples() {
    let stream = Stream::sidecar("cluster=eu1");
    let ragged = |k: i64| {
        let start = t("01-01") + k * 2 * HOUR;
        stream.block(start + 4_321 + k, start + 2 * HOUR - 53_000 + k).cut(start + 3 * HOUR)
    };
    let blocks: Vec<_> = (0..24).map(ragged).collect();
    Estate::with(&blocks).scan(NOW).healthy().notes(&[]);
}

#[test]
fn blocks_that_share_one_sample_at_their_edge() {
    let stream = Stream::sidecar("cluster=eu1");
    let touching = |k: i64| {
        let start = t("01-01") + k * 2 * HOUR;
        stream.block(start, start + 2 * HOUR + 1).cut(start + 3 * HOUR)
    };
    let blocks: Vec<_> = (0..24).map(touching).collect();
    Estate::with(&blocks).scan(NOW).healthy().notes(&[]);
}

#[test]
fn a_backlog_uploaded_after_an_outage_of_the_storage() {
    let stream = Stream::sidecar("cluster=eu1");
    let blocks = stream.blocks("01-01", "01-03");
    let late: Vec<_> = blocks
        .into_iter()
        .map(|block| {
            let cut = block.cut_at();
            block.uploaded(if cut > t("01-02T06:00") { t("01-03T01:10") + cut % 1_000 } else { cut + MINUTE })
        })
        .collect();
    // the last of them are younger than the consistency delay
    Estate::with(&late).scan("01-03T01:20").healthy().notes(&[]);
    Estate::with(&late).scan("01-03T02:30").healthy().notes(&[]);
}

#[test]
fn a_longer_block_range_has_a_longer_lag() {
    let stream = Stream::sidecar("cluster=eu1").range(4 * HOUR);
    Estate::with(&stream.blocks("01-01", "01-03")).scan("01-03T07:30").healthy().notes(&[]);
}

#[test]
fn a_young_stream_counts_with_two_hours() {
    // one short block: neither its length nor its age says anything of the range
    let block = Stream::sidecar("cluster=eu1").block("01-02T23:20", "01-03T00:00").cut("01-03T02:20");
    Estate::with(&[block]).scan("01-03T03:55").healthy().notes(&[]);
}

#[test]
fn an_upload_that_goes_on() {
    let stream = Stream::sidecar("cluster=eu1");
    let mut estate = Estate::with(&stream.blocks("01-01", "01-03"));
    let block = stream.block("01-03T00:00", "01-03T02:00").uploaded("01-03T03:02");
    estate.put_partial(&block);
    estate.scan("01-03T03:10").healthy().notes(&[]);
    // a large multipart upload shows nothing new for long
    estate.scan("01-03T03:55").healthy().notes(&[]);
}

#[test]
fn a_block_younger_than_the_consistency_delay_may_lack_objects() {
    let stream = Stream::sidecar("cluster=eu1");
    let mut estate = Estate::with(&stream.blocks("01-01", "01-03"));
    let block = stream.block("01-03T00:00", "01-03T02:00");
    estate.put(std::slice::from_ref(&block));
    estate.delete_object(&block, "index");
    estate.resize(&block, "chunks/000001", 12);
    estate.scan("01-03T03:20").healthy().notes(&[]);
    // without an upload time that of the object counts
    let old_style = block.upload_time(UploadTime::Absent).uploaded("01-03T03:05");
    estate.rewrite_meta(&old_style, "01-03T03:05");
    estate.scan("01-03T03:20").healthy().notes(&[]);
}

#[test]
fn a_block_without_an_upload_time() {
    for upload_time in [UploadTime::Absent, UploadTime::Zero] {
        let blocks: Vec<_> = steady("cluster=eu1").into_iter().map(|block| block.upload_time(upload_time)).collect();
        Estate::with(&blocks).scan(NOW).healthy().notes(&[]);
    }
}

#[test]
fn blocks_that_prometheus_itself_wrote() {
    let blocks: Vec<_> = steady("")
        .into_iter()
        .map(|mut block| {
            block.thanos = false;
            block
        })
        .collect();
    Estate::with(&blocks).scan(NOW).healthy();
}

#[test]
fn a_stream_without_replica_label_beside_one_with_it() {
    // the operator added the label: the old name ended where the new one begins
    let mut blocks = Stream::sidecar("cluster=eu1").blocks("01-01", "01-02");
    blocks.extend(Stream::sidecar("cluster=eu1 replica=a").blocks("01-02", "01-03"));
    Estate::with(&blocks).scan(NOW).healthy().notes(&["info stream_replaced cluster=eu1 raw"]);
}

#[test]
fn a_stream_that_another_replaces() {
    let mut blocks = Stream::sidecar("cluster=eu1 version=1").blocks("01-01", "01-02");
    blocks.extend(Stream::sidecar("cluster=eu1 version=2").blocks("01-02", "01-03"));
    Estate::with(&blocks).scan(NOW).healthy().notes(&["info stream_replaced cluster=eu1,version=1 raw"]);
}

#[test]
fn shards_of_an_operator() {
    let mut blocks = Vec::new();
    for (shard, rate) in [("k8s-0", 240_000), ("k8s-shard-1-0", 80_000)] {
        let stream = Stream::sidecar(&format!("prometheus=monitoring/k8s prometheus_replica={shard}")).rate(rate);
        blocks.extend(stream.blocks("01-01", "01-03"));
    }
    Estate::with(&blocks).scan(NOW).healthy().notes(&[]);
}

#[test]
fn a_stream_given_up_long_ago() {
    let mut blocks = steady("cluster=eu1");
    blocks.extend(Stream::sidecar("cluster=old").blocks("2025-11-01T00:00:00Z", "2025-11-03T00:00:00Z"));
    Estate::with(&blocks).scan(NOW).healthy();
}

#[test]
fn a_receiver_that_is_restarted_flushes_its_head() {
    let stream = Stream::receive("replica=r0 tenant_id=t");
    let mut blocks = stream.blocks("01-01", "01-02T12:00");
    // flushed on shutdown: cut at its newest sample, three times in two hours
    for (from, to) in [("01-02T12:00", "01-02T12:41"), ("01-02T12:42", "01-02T13:15"), ("01-02T13:16", "01-02T13:50")] {
        blocks.push(stream.block(from, t(to) + 1).cut(t(to) + 900));
    }
    blocks.push(stream.block("01-02T13:51", "01-02T14:00").cut("01-02T16:52"));
    blocks.extend(stream.blocks("01-02T14:00", "01-03"));
    Estate::with(&blocks).scan(NOW).healthy().notes(&[]);
}

#[test]
fn local_compaction_that_was_uploaded_when_the_sidecar_came() {
    let stream = Stream::sidecar("cluster=eu1");
    // Prometheus' own ranges: 6h and 18h
    let six = |from: i64| compact(&stream.blocks(from, from + 6 * HOUR));
    let eighteen = compact(&[0, 6, 12].map(|hours| six(t("01-01") + hours * HOUR)));
    let mut blocks = vec![eighteen, six(t("01-01T18:00"))];
    for block in &mut blocks {
        block.source = "sidecar".to_owned();
        *block = block.clone().uploaded("01-02T00:30");
    }
    blocks.extend(stream.blocks("01-02", "01-03"));
    Estate::with(&blocks).scan(NOW).healthy().notes(&[]);
}

#[test]
fn a_replica_that_moved_to_another_name() {
    let mut blocks = steady("cluster=eu1 replica=a");
    blocks.extend(Stream::sidecar("cluster=eu1 replica=b").blocks("01-01", "01-02T06:00"));
    blocks.extend(Stream::sidecar("cluster=eu1 replica=c").blocks("01-02T06:00", "01-03"));
    Estate::with(&blocks).scan(NOW).healthy().notes(&["info stream_replaced cluster=eu1,replica=b raw"]);
}

#[test]
fn a_sidecar_cut_off_from_the_storage_for_ten_days() {
    let stream = Stream::sidecar("cluster=eu1");
    let blocks = stream.blocks("01-01", "01-13");
    let late: Vec<_> = blocks
        .into_iter()
        .map(|block| if block.min >= t("01-02") { block.uploaded("01-13T01:05") } else { block })
        .collect();
    Estate::with(&late).scan("01-13T02:00").healthy().notes(&[]);
}

#[test]
fn labels_that_only_tell_replicas_apart_are_as_configured() {
    let mut blocks = steady("cluster=eu1 pod=p0");
    blocks.extend(Stream::sidecar("cluster=eu1 pod=p1").blocks("01-01", "01-03"));
    blocks.remove(6);
    let own = Estate::with(&blocks).scan(NOW);
    own.says(&["critical coverage_gap cluster=eu1,pod=p0 raw 01-01T12:00..01-01T14:00"]);
    let told = Estate::with(&blocks).demands(&["replica_labels: [pod]"]).scan(NOW);
    told.says(&["warning coverage_gap cluster=eu1,pod=p0 raw 01-01T12:00..01-01T14:00"]);
}
