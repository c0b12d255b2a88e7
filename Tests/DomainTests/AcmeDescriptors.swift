/// What `protoc --include_imports --descriptor_set_out` (3.21.12) made of the two files below.
enum AcmeDescriptors {
    // scalars.proto:
    //
    // syntax = "proto3";
    // package acme;
    // import "google/protobuf/timestamp.proto";
    // import "google/protobuf/duration.proto";
    // import "google/protobuf/wrappers.proto";
    // import "google/protobuf/struct.proto";
    // import "google/protobuf/field_mask.proto";
    // import "google/protobuf/empty.proto";
    // import "google/protobuf/any.proto";
    // import "legacy.proto";
    //
    // enum Mode { MODE_OFF = 0; MODE_ON = 1; MODE_LOW = -1; }
    //
    // message Reading {
    //   string sensor_name = 1;
    //   double value = 2;
    //   optional sint32 offset = 3;
    // }
    //
    // message Uplink {
    //   double a_double = 1;
    //   float a_float = 2;
    //   int32 an_int32 = 3;
    //   int64 an_int64 = 4;
    //   uint32 a_uint32 = 5;
    //   uint64 a_uint64 = 6;
    //   sint32 a_sint32 = 7;
    //   sint64 a_sint64 = 8;
    //   fixed32 a_fixed32 = 9;
    //   fixed64 a_fixed64 = 10;
    //   sfixed32 a_sfixed32 = 11;
    //   sfixed64 a_sfixed64 = 12;
    //   bool a_bool = 13;
    //   string a_string = 14;
    //   bytes some_bytes = 15;
    //   Mode mode = 16;
    // }
    //
    // message Sparse {
    //   optional int32 set = 1;
    //   Reading reading = 2;
    //   repeated Reading readings = 3;
    //   repeated int32 numbers = 4;
    //   repeated sfixed32 fixed = 5;
    //   repeated string words = 6;
    //   map<string, Reading> by_name = 7;
    //   map<int64, Mode> by_number = 8;
    //   map<bool, bytes> by_truth = 9;
    //   oneof choice { int32 a_number = 10; string a_word = 11; Reading a_reading = 12; }
    //   int32 renamed = 13 [json_name = "@other"];
    //   Sparse inner = 14;
    //   repeated Mode modes = 15;
    //   repeated double doubles = 16;
    // }
    //
    // message Known {
    //   google.protobuf.Timestamp time = 1;
    //   google.protobuf.Duration took = 2;
    //   google.protobuf.Int64Value wrapped = 3;
    //   google.protobuf.StringValue text = 4;
    //   google.protobuf.Struct structure = 5;
    //   google.protobuf.Value value = 6;
    //   google.protobuf.ListValue list = 7;
    //   google.protobuf.FieldMask mask = 8;
    //   google.protobuf.Empty empty = 9;
    //   google.protobuf.Any any = 10;
    //   google.protobuf.NullValue nothing = 11;
    //   Old old = 12;
    // }
    //
    // legacy.proto:
    //
    // syntax = "proto2";
    // package acme;
    // message Old {
    //   required int32 id = 1;
    //   optional group Part = 2 { optional string word = 1; }
    //   repeated int32 plain = 3;
    //   optional int32 with_default = 4 [default = 7];
    //   extensions 100 to 200;
    // }
    // extend Old { optional int32 more = 100; }
    static let base64 = """
        Cv8BCh9nb29nbGUvcHJvdG9idWYvdGltZXN0YW1wLnByb3RvEg9nb29nbGUucHJvdG9idWYiOwoJVGltZXN0YW1wEhgKB3NlY29uZHMYASABKA\
        NSB3NlY29uZHMSFAoFbmFub3MYAiABKAVSBW5hbm9zQoUBChNjb20uZ29vZ2xlLnByb3RvYnVmQg5UaW1lc3RhbXBQcm90b1ABWjJnb29nbGUu\
        Z29sYW5nLm9yZy9wcm90b2J1Zi90eXBlcy9rbm93bi90aW1lc3RhbXBwYvgBAaICA0dQQqoCHkdvb2dsZS5Qcm90b2J1Zi5XZWxsS25vd25UeX\
        Blc2IGcHJvdG8zCvsBCh5nb29nbGUvcHJvdG9idWYvZHVyYXRpb24ucHJvdG8SD2dvb2dsZS5wcm90b2J1ZiI6CghEdXJhdGlvbhIYCgdzZWNv\
        bmRzGAEgASgDUgdzZWNvbmRzEhQKBW5hbm9zGAIgASgFUgVuYW5vc0KDAQoTY29tLmdvb2dsZS5wcm90b2J1ZkINRHVyYXRpb25Qcm90b1ABWj\
        Fnb29nbGUuZ29sYW5nLm9yZy9wcm90b2J1Zi90eXBlcy9rbm93bi9kdXJhdGlvbnBi+AEBogIDR1BCqgIeR29vZ2xlLlByb3RvYnVmLldlbGxL\
        bm93blR5cGVzYgZwcm90bzMKhgQKHmdvb2dsZS9wcm90b2J1Zi93cmFwcGVycy5wcm90bxIPZ29vZ2xlLnByb3RvYnVmIiMKC0RvdWJsZVZhbH\
        VlEhQKBXZhbHVlGAEgASgBUgV2YWx1ZSIiCgpGbG9hdFZhbHVlEhQKBXZhbHVlGAEgASgCUgV2YWx1ZSIiCgpJbnQ2NFZhbHVlEhQKBXZhbHVl\
        GAEgASgDUgV2YWx1ZSIjCgtVSW50NjRWYWx1ZRIUCgV2YWx1ZRgBIAEoBFIFdmFsdWUiIgoKSW50MzJWYWx1ZRIUCgV2YWx1ZRgBIAEoBVIFdm\
        FsdWUiIwoLVUludDMyVmFsdWUSFAoFdmFsdWUYASABKA1SBXZhbHVlIiEKCUJvb2xWYWx1ZRIUCgV2YWx1ZRgBIAEoCFIFdmFsdWUiIwoLU3Ry\
        aW5nVmFsdWUSFAoFdmFsdWUYASABKAlSBXZhbHVlIiIKCkJ5dGVzVmFsdWUSFAoFdmFsdWUYASABKAxSBXZhbHVlQoMBChNjb20uZ29vZ2xlLn\
        Byb3RvYnVmQg1XcmFwcGVyc1Byb3RvUAFaMWdvb2dsZS5nb2xhbmcub3JnL3Byb3RvYnVmL3R5cGVzL2tub3duL3dyYXBwZXJzcGL4AQGiAgNH\
        UEKqAh5Hb29nbGUuUHJvdG9idWYuV2VsbEtub3duVHlwZXNiBnByb3RvMwriBQocZ29vZ2xlL3Byb3RvYnVmL3N0cnVjdC5wcm90bxIPZ29vZ2\
        xlLnByb3RvYnVmIpgBCgZTdHJ1Y3QSOwoGZmllbGRzGAEgAygLMiMuZ29vZ2xlLnByb3RvYnVmLlN0cnVjdC5GaWVsZHNFbnRyeVIGZmllbGRz\
        GlEKC0ZpZWxkc0VudHJ5EhAKA2tleRgBIAEoCVIDa2V5EiwKBXZhbHVlGAIgASgLMhYuZ29vZ2xlLnByb3RvYnVmLlZhbHVlUgV2YWx1ZToCOA\
        EisgIKBVZhbHVlEjsKCm51bGxfdmFsdWUYASABKA4yGi5nb29nbGUucHJvdG9idWYuTnVsbFZhbHVlSABSCW51bGxWYWx1ZRIjCgxudW1iZXJf\
        dmFsdWUYAiABKAFIAFILbnVtYmVyVmFsdWUSIwoMc3RyaW5nX3ZhbHVlGAMgASgJSABSC3N0cmluZ1ZhbHVlEh8KCmJvb2xfdmFsdWUYBCABKA\
        hIAFIJYm9vbFZhbHVlEjwKDHN0cnVjdF92YWx1ZRgFIAEoCzIXLmdvb2dsZS5wcm90b2J1Zi5TdHJ1Y3RIAFILc3RydWN0VmFsdWUSOwoKbGlz\
        dF92YWx1ZRgGIAEoCzIaLmdvb2dsZS5wcm90b2J1Zi5MaXN0VmFsdWVIAFIJbGlzdFZhbHVlQgYKBGtpbmQiOwoJTGlzdFZhbHVlEi4KBnZhbH\
        VlcxgBIAMoCzIWLmdvb2dsZS5wcm90b2J1Zi5WYWx1ZVIGdmFsdWVzKhsKCU51bGxWYWx1ZRIOCgpOVUxMX1ZBTFVFEABCfwoTY29tLmdvb2ds\
        ZS5wcm90b2J1ZkILU3RydWN0UHJvdG9QAVovZ29vZ2xlLmdvbGFuZy5vcmcvcHJvdG9idWYvdHlwZXMva25vd24vc3RydWN0cGL4AQGiAgNHUE\
        KqAh5Hb29nbGUuUHJvdG9idWYuV2VsbEtub3duVHlwZXNiBnByb3RvMwrmAQogZ29vZ2xlL3Byb3RvYnVmL2ZpZWxkX21hc2sucHJvdG8SD2dv\
        b2dsZS5wcm90b2J1ZiIhCglGaWVsZE1hc2sSFAoFcGF0aHMYASADKAlSBXBhdGhzQoUBChNjb20uZ29vZ2xlLnByb3RvYnVmQg5GaWVsZE1hc2\
        tQcm90b1ABWjJnb29nbGUuZ29sYW5nLm9yZy9wcm90b2J1Zi90eXBlcy9rbm93bi9maWVsZG1hc2twYvgBAaICA0dQQqoCHkdvb2dsZS5Qcm90\
        b2J1Zi5XZWxsS25vd25UeXBlc2IGcHJvdG8zCr4BChtnb29nbGUvcHJvdG9idWYvZW1wdHkucHJvdG8SD2dvb2dsZS5wcm90b2J1ZiIHCgVFbX\
        B0eUJ9ChNjb20uZ29vZ2xlLnByb3RvYnVmQgpFbXB0eVByb3RvUAFaLmdvb2dsZS5nb2xhbmcub3JnL3Byb3RvYnVmL3R5cGVzL2tub3duL2Vt\
        cHR5cGL4AQGiAgNHUEKqAh5Hb29nbGUuUHJvdG9idWYuV2VsbEtub3duVHlwZXNiBnByb3RvMwrkAQoZZ29vZ2xlL3Byb3RvYnVmL2FueS5wcm\
        90bxIPZ29vZ2xlLnByb3RvYnVmIjYKA0FueRIZCgh0eXBlX3VybBgBIAEoCVIHdHlwZVVybBIUCgV2YWx1ZRgCIAEoDFIFdmFsdWVCdgoTY29t\
        Lmdvb2dsZS5wcm90b2J1ZkIIQW55UHJvdG9QAVosZ29vZ2xlLmdvbGFuZy5vcmcvcHJvdG9idWYvdHlwZXMva25vd24vYW55cGKiAgNHUEKqAh\
        5Hb29nbGUuUHJvdG9idWYuV2VsbEtub3duVHlwZXNiBnByb3RvMwrOAQoMbGVnYWN5LnByb3RvEgRhY21lIpgBCgNPbGQSDgoCaWQYASACKAVS\
        AmlkEiIKBHBhcnQYAiABKAoyDi5hY21lLk9sZC5QYXJ0UgRwYXJ0EhQKBXBsYWluGAMgAygFUgVwbGFpbhIkCgx3aXRoX2RlZmF1bHQYBCABKA\
        U6ATdSC3dpdGhEZWZhdWx0GhoKBFBhcnQSEgoEd29yZBgBIAEoCVIEd29yZCoFCGQQyQE6HQoEbW9yZRIJLmFjbWUuT2xkGGQgASgFUgRtb3Jl\
        Cs4RCg1zY2FsYXJzLnByb3RvEgRhY21lGh9nb29nbGUvcHJvdG9idWYvdGltZXN0YW1wLnByb3RvGh5nb29nbGUvcHJvdG9idWYvZHVyYXRpb2\
        4ucHJvdG8aHmdvb2dsZS9wcm90b2J1Zi93cmFwcGVycy5wcm90bxocZ29vZ2xlL3Byb3RvYnVmL3N0cnVjdC5wcm90bxogZ29vZ2xlL3Byb3Rv\
        YnVmL2ZpZWxkX21hc2sucHJvdG8aG2dvb2dsZS9wcm90b2J1Zi9lbXB0eS5wcm90bxoZZ29vZ2xlL3Byb3RvYnVmL2FueS5wcm90bxoMbGVnYW\
        N5LnByb3RvImgKB1JlYWRpbmcSHwoLc2Vuc29yX25hbWUYASABKAlSCnNlbnNvck5hbWUSFAoFdmFsdWUYAiABKAFSBXZhbHVlEhsKBm9mZnNl\
        dBgDIAEoEUgAUgZvZmZzZXSIAQFCCQoHX29mZnNldCLHAwoGVXBsaW5rEhkKCGFfZG91YmxlGAEgASgBUgdhRG91YmxlEhcKB2FfZmxvYXQYAi\
        ABKAJSBmFGbG9hdBIZCghhbl9pbnQzMhgDIAEoBVIHYW5JbnQzMhIZCghhbl9pbnQ2NBgEIAEoA1IHYW5JbnQ2NBIZCghhX3VpbnQzMhgFIAEo\
        DVIHYVVpbnQzMhIZCghhX3VpbnQ2NBgGIAEoBFIHYVVpbnQ2NBIZCghhX3NpbnQzMhgHIAEoEVIHYVNpbnQzMhIZCghhX3NpbnQ2NBgIIAEoEl\
        IHYVNpbnQ2NBIbCglhX2ZpeGVkMzIYCSABKAdSCGFGaXhlZDMyEhsKCWFfZml4ZWQ2NBgKIAEoBlIIYUZpeGVkNjQSHQoKYV9zZml4ZWQzMhgL\
        IAEoD1IJYVNmaXhlZDMyEh0KCmFfc2ZpeGVkNjQYDCABKBBSCWFTZml4ZWQ2NBIVCgZhX2Jvb2wYDSABKAhSBWFCb29sEhkKCGFfc3RyaW5nGA\
        4gASgJUgdhU3RyaW5nEh0KCnNvbWVfYnl0ZXMYDyABKAxSCXNvbWVCeXRlcxIeCgRtb2RlGBAgASgOMgouYWNtZS5Nb2RlUgRtb2RlIpkGCgZT\
        cGFyc2USFQoDc2V0GAEgASgFSAFSA3NldIgBARInCgdyZWFkaW5nGAIgASgLMg0uYWNtZS5SZWFkaW5nUgdyZWFkaW5nEikKCHJlYWRpbmdzGA\
        MgAygLMg0uYWNtZS5SZWFkaW5nUghyZWFkaW5ncxIYCgdudW1iZXJzGAQgAygFUgdudW1iZXJzEhQKBWZpeGVkGAUgAygPUgVmaXhlZBIUCgV3\
        b3JkcxgGIAMoCVIFd29yZHMSMQoHYnlfbmFtZRgHIAMoCzIYLmFjbWUuU3BhcnNlLkJ5TmFtZUVudHJ5UgZieU5hbWUSNwoJYnlfbnVtYmVyGA\
        ggAygLMhouYWNtZS5TcGFyc2UuQnlOdW1iZXJFbnRyeVIIYnlOdW1iZXISNAoIYnlfdHJ1dGgYCSADKAsyGS5hY21lLlNwYXJzZS5CeVRydXRo\
        RW50cnlSB2J5VHJ1dGgSGwoIYV9udW1iZXIYCiABKAVIAFIHYU51bWJlchIXCgZhX3dvcmQYCyABKAlIAFIFYVdvcmQSLAoJYV9yZWFkaW5nGA\
        wgASgLMg0uYWNtZS5SZWFkaW5nSABSCGFSZWFkaW5nEhcKB3JlbmFtZWQYDSABKAVSBkBvdGhlchIiCgVpbm5lchgOIAEoCzIMLmFjbWUuU3Bh\
        cnNlUgVpbm5lchIgCgVtb2RlcxgPIAMoDjIKLmFjbWUuTW9kZVIFbW9kZXMSGAoHZG91YmxlcxgQIAMoAVIHZG91YmxlcxpICgtCeU5hbWVFbn\
        RyeRIQCgNrZXkYASABKAlSA2tleRIjCgV2YWx1ZRgCIAEoCzINLmFjbWUuUmVhZGluZ1IFdmFsdWU6AjgBGkcKDUJ5TnVtYmVyRW50cnkSEAoD\
        a2V5GAEgASgDUgNrZXkSIAoFdmFsdWUYAiABKA4yCi5hY21lLk1vZGVSBXZhbHVlOgI4ARo6CgxCeVRydXRoRW50cnkSEAoDa2V5GAEgASgIUg\
        NrZXkSFAoFdmFsdWUYAiABKAxSBXZhbHVlOgI4AUIICgZjaG9pY2VCBgoEX3NldCK9BAoFS25vd24SLgoEdGltZRgBIAEoCzIaLmdvb2dsZS5w\
        cm90b2J1Zi5UaW1lc3RhbXBSBHRpbWUSLQoEdG9vaxgCIAEoCzIZLmdvb2dsZS5wcm90b2J1Zi5EdXJhdGlvblIEdG9vaxI1Cgd3cmFwcGVkGA\
        MgASgLMhsuZ29vZ2xlLnByb3RvYnVmLkludDY0VmFsdWVSB3dyYXBwZWQSMAoEdGV4dBgEIAEoCzIcLmdvb2dsZS5wcm90b2J1Zi5TdHJpbmdW\
        YWx1ZVIEdGV4dBI1CglzdHJ1Y3R1cmUYBSABKAsyFy5nb29nbGUucHJvdG9idWYuU3RydWN0UglzdHJ1Y3R1cmUSLAoFdmFsdWUYBiABKAsyFi\
        5nb29nbGUucHJvdG9idWYuVmFsdWVSBXZhbHVlEi4KBGxpc3QYByABKAsyGi5nb29nbGUucHJvdG9idWYuTGlzdFZhbHVlUgRsaXN0Ei4KBG1h\
        c2sYCCABKAsyGi5nb29nbGUucHJvdG9idWYuRmllbGRNYXNrUgRtYXNrEiwKBWVtcHR5GAkgASgLMhYuZ29vZ2xlLnByb3RvYnVmLkVtcHR5Ug\
        VlbXB0eRImCgNhbnkYCiABKAsyFC5nb29nbGUucHJvdG9idWYuQW55UgNhbnkSNAoHbm90aGluZxgLIAEoDjIaLmdvb2dsZS5wcm90b2J1Zi5O\
        dWxsVmFsdWVSB25vdGhpbmcSGwoDb2xkGAwgASgLMgkuYWNtZS5PbGRSA29sZCo4CgRNb2RlEgwKCE1PREVfT0ZGEAASCwoHTU9ERV9PThABEh\
        UKCE1PREVfTE9XEP///////////wFiBnByb3RvMw==
        """
}
